#!/usr/bin/env node
import { run } from '../lib/command/run.js'
import { suite } from '../lib/command/suite.js'

void run(suite)
