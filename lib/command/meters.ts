/** What is counted: events of the log, and what is measured when somebody asks. Protocols know nothing of it. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Fields, Observer } from '../sys/log.js'
import { type Labels, Metrics, type Series } from '../sys/metrics.js'
import type { Sessions } from './sessions.js'
import { version } from './version.js'

/** How often the event loop's delay is sampled, in milliseconds. */
const resolution = 50

/** The numbers of one process. */
export class Meters {
  readonly metrics = new Metrics()
  readonly #rules: ReadonlyMap<string, (fields: Fields, context: Fields) => void>
  readonly #delay = monitorEventLoopDelay({ resolution })

  /** @param sessions of this process */
  constructor(sessions: Sessions) {
    this.#rules = rulesOf(this.metrics)
    this.#delay.enable()
    this.#measure(sessions)
  }

  /** To be told of every event of the log. */
  readonly observe: Observer = (event, fields, context) => this.#rules.get(event)?.(fields, context)

  close(): void {
    this.#delay.disable()
  }

  #measure(sessions: Sessions): void {
    const { metrics } = this
    const connections = metrics.gauge('postern_connections', 'Connections now.')
    const idle = metrics.gauge('postern_idle_sessions', 'IMAP sessions that wait in IDLE now.')
    const delay = metrics.gauge(
      'postern_event_loop_delay_seconds',
      'How late the event loop was since it was last asked, in 99 cases of 100.',
    )
    const longest = metrics.gauge(
      'postern_event_loop_delay_max_seconds',
      'How late the event loop was at most since it was last asked.',
    )
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - resolution / 1e3)
    const memory = metrics.gauge('postern_resident_memory_bytes', 'Resident memory of the process.')
    const started = metrics.gauge(
      'postern_start_time_seconds',
      'When the process began, in seconds since 1970.',
    )
    metrics.gauge('postern_info', 'The version of Postern.').set(1, { version })
    started.set(Math.round(Date.now() / 1_000 - process.uptime()))
    metrics.onCollect(() => {
      connections.clear()
      for (const { daemon } of sessions.all) connections.add({ daemon })
      idle.set(sessions.all.filter(each => each.idle).length)
      memory.set(process.memoryUsage.rss())
      delay.set(late(this.#delay.percentile(99)))
      longest.set(late(this.#delay.max))
      this.#delay.reset()
    })
  }
}

type Rule = (fields: Fields, context: Fields) => void

function rulesOf(metrics: Metrics): Map<string, Rule> {
  const received = metrics.counter('postern_messages_received_total', 'Messages taken by SMTP and LMTP.')
  const delivered = metrics.counter(
    'postern_messages_delivered_total',
    'Messages put into mailboxes, one each.',
  )
  const rejected = metrics.labelledCounter(
    'postern_messages_rejected_total',
    'Messages and recipients refused.',
  )
  const dropped = metrics.counter('postern_messages_submitted_total', 'Messages taken from mail-send.')
  const relayed = metrics.labelledCounter(
    'postern_relay_recipients_total',
    'Recipients of queued messages by what became of them: relayed, passed, delivered, waiting, failed.',
  )
  const sent = metrics.gauge(
    'postern_relay_last_success_timestamp_seconds',
    'When a server last took a message.',
  )
  const logins = metrics.labelledCounter('postern_logins_total', 'Logins let in.')
  const refused = metrics.labelledCounter('postern_logins_refused_total', 'Logins refused.')
  const connections = metrics.labelledCounter('postern_connections_total', 'Connections since the start.')
  const full = metrics.labelledCounter('postern_connections_refused_total', 'Connections over a limit.')
  const rebuilt = metrics.counter('postern_index_rebuilds_total', 'Indexes of mailboxes that were made anew.')
  const errors = metrics.counter(
    'postern_errors_total',
    'Sessions, commands and messages that failed on our side.',
  )
  const count = (series: Series, labels: Labels = {}) => series.add(labels)
  const error: Rule = () => count(errors)
  const refuseLogin: Rule = ({ protocol, reason }) =>
    count(refused, { protocol: String(protocol), reason: String(reason) })
  return new Map<string, Rule>([
    ['received', () => count(received)],
    ['delivered', () => count(delivered)],
    ['message-refused', fields => count(rejected, { reason: reasonOf(fields) })],
    [
      'refused',
      fields => {
        if (/^(mail|rcpt|data|bdat)\b/i.test(String(fields['command'])))
          count(rejected, { reason: reasonOf(fields) })
      },
    ],
    ['dropped', () => count(dropped)],
    [
      'recipient',
      ({ state }) => {
        count(relayed, { state: String(state) })
        if (state === 'relayed' || state === 'passed') sent.set(Math.floor(Date.now() / 1_000))
      },
    ],
    // The protocols say it again, in their own words.
    ['login', ({ how, protocol }) => how !== undefined && count(logins, { protocol: String(protocol) })],
    ['login-failed', refuseLogin],
    ['login-refused', refuseLogin],
    ['connected', (_, { daemon }) => count(connections, { daemon: String(daemon ?? '') })],
    ['too-many-connections', (_, { daemon }) => count(full, { daemon: String(daemon ?? '') })],
    ['index-rebuilt', () => count(rebuilt)],
    ['session-failed', error],
    ['command-failed', error],
    ['message-failed', error],
    ['entry-failed', error],
  ])
}

/** Few words, whatever was said to the peer: each is a time series (RFC 3463 §3). */
const reasons: Readonly<Record<string, string>> = {
  '1.1': 'no-such-user',
  '1.2': 'no-such-domain',
  '1.3': 'bad-address',
  '1.7': 'bad-sender',
  '1.8': 'bad-sender',
  '2.2': 'mailbox-full',
  '3.4': 'too-big',
  '4.6': 'loop',
  '5.1': 'syntax',
  '5.2': 'syntax',
  '5.3': 'too-many-recipients',
  '5.4': 'syntax',
  '7.0': 'policy',
  '7.1': 'not-allowed',
  '7.8': 'login',
  '7.11': 'needs-tls',
}

function reasonOf({ code, status }: Fields): string {
  const [, detail = ''] = /^[245]\.(\d+\.\d+)$/.exec(String(status)) ?? []
  const known = reasons[detail]
  if (Number(code) < 500) return known === 'mailbox-full' ? known : 'not-now'
  return known ?? 'other'
}
