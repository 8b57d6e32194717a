#!/usr/bin/env node
import { run } from '../lib/command/run.js'
import { user } from '../lib/command/user.js'

void run(user)
