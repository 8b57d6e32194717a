#!/usr/bin/env node
import { pop3d } from '../lib/command/pop3d.js'
import { run } from '../lib/command/run.js'

void run(pop3d)
