#!/usr/bin/env node
import { deliver } from '../lib/command/deliver.js'
import { run } from '../lib/command/run.js'

void run(deliver)
