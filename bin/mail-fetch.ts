#!/usr/bin/env node
import { fetch } from '../lib/command/fetch.js'
import { run } from '../lib/command/run.js'

void run(fetch)
