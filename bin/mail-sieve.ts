#!/usr/bin/env node
import { run } from '../lib/command/run.js'
import { sieve } from '../lib/command/sieve.js'

void run(sieve)
