#!/usr/bin/env node
import { run } from '../lib/command/run.js'
import { setup } from '../lib/command/setup.js'

void run(setup)
