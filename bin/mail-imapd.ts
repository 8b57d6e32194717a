#!/usr/bin/env node
import { imapd } from '../lib/command/imapd.js'
import { run } from '../lib/command/run.js'

void run(imapd)
