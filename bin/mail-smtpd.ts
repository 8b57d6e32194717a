#!/usr/bin/env node
import { run } from '../lib/command/run.js'
import { smtpd } from '../lib/command/smtpd.js'

void run(smtpd)
