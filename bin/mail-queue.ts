#!/usr/bin/env node
import { queue } from '../lib/command/queue.js'
import { run } from '../lib/command/run.js'

void run(queue)
