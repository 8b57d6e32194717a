#!/usr/bin/env node
import { run } from '../lib/command/run.js'
import { send } from '../lib/command/send.js'

void run(send)
