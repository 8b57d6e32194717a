#!/usr/bin/env node
import { run } from '../lib/command/run.js'
import { sieved } from '../lib/command/sieved.js'

void run(sieved)
