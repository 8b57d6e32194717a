#!/usr/bin/env node
import { relay } from '../lib/command/relay.js'
import { run } from '../lib/command/run.js'

void run(relay)
