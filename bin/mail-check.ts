#!/usr/bin/env node
import { check } from '../lib/command/check.js'
import { run } from '../lib/command/run.js'

void run(check)
