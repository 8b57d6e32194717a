/** What is sent ahead of TLS in the clear is not heard under TLS (CVE-2011-0411 and its kin), in all four protocols. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imapService } from '../../../lib/command/imapd.js'
import { pop3Service } from '../../../lib/command/pop3d.js'
import type { Service } from '../../../lib/command/service.js'
import { sieveService } from '../../../lib/command/sieved.js'
import { smtpdService } from '../../../lib/command/smtpd.js'
import { startService } from '../../support/service.js'
import { expect, open, shake } from './talk.js'

const servers = [
  {
    service: smtpdService() as Service,
    before: 'EHLO x\r\n',
    ready: /^250 [^\n]*\n/m,
    ask: 'STARTTLS\r\n',
    injected: 'MAIL FROM:<injected@x.example>\r\n',
    go: /^220 [^\n]*\n$/m,
    probe: 'NOOP\r\n',
    answer: /^250 2\.0\.0 [^\n]*\n$/,
  },
  {
    service: imapService as Service,
    before: 'a NOOP\r\n',
    ready: /^a OK/m,
    ask: 'b STARTTLS\r\n',
    injected: 'injected LOGIN alice wonderland\r\n',
    go: /^b OK[^\n]*\n/m,
    probe: 'c NOOP\r\n',
    answer: /^c OK [^\n]*\n$/,
  },
  {
    service: pop3Service as Service,
    before: 'NOOP\r\n',
    ready: /^-ERR[^\n]*\n/m,
    ask: 'STLS\r\n',
    injected: 'USER alice\r\n',
    go: /^\+OK[^\n]*\n$/m,
    probe: 'PASS wonderland\r\n',
    answer: /^-ERR [^\n]*\n$/,
  },
  {
    service: sieveService as Service,
    before: 'NOOP\r\n',
    ready: /^OK "[^\n]*NOOP|^OK[^\n]*\n$/m,
    ask: 'STARTTLS\r\n',
    injected: 'NOOP "injected"\r\n',
    go: /^OK[^\n]*\n$/m,
    probe: 'LOGOUT\r\n',
    answer: /OK[^\n]*\r\n[\s\S]*OK[^\n]*\n$/,
  },
]

for (const { service, before, ready, ask, injected, go, probe, answer } of servers)
  test(`${service.name}: nothing is taken over from the clear into TLS`, async () => {
    const running = await startService(service)
    try {
      const socket = await open(running.port)
      await expect(socket, /\r\n/)
      socket.write(before)
      await expect(socket, ready)
      // One packet, as somebody on the way would make it.
      socket.write(ask + injected)
      await expect(socket, go)
      const wrapped = await shake(socket)
      const told = expect(wrapped, answer)
      wrapped.write(probe)
      assert.doesNotMatch(await told, /injected/)
      wrapped.destroy()
      assert.doesNotMatch(running.lines.join('\n'), /event=login /)
    } finally {
      await running.close()
    }
  })
