#!/usr/bin/env node
import { cert } from '../lib/command/cert.js'
import { run } from '../lib/command/run.js'

void run(cert)
