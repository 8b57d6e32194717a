/**
 * Every key of mail.toml, with its type and its default, in the order of mail.toml(5). A key is added here, and there.
 * Keys have in the program the names that they have in the file. Sizes come out in octets, times in milliseconds,
 * paths absolute, addresses parsed; lists of networks and patterns stay text.
 */
import {
  boolean,
  count,
  delimiter,
  domain,
  eitherOf,
  type Infer,
  list,
  mailAddress,
  named,
  network,
  oneOf,
  optional,
  pattern,
  placed,
  section,
  server,
  size,
  string,
  table,
  time,
  url,
} from './types.js'

type Placed = ReturnType<typeof placed>

/** APOP is POP3's own, and needs passwords in the clear. */
const mechanism = oneOf('PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'CRAM-MD5', 'XOAUTH2', 'OAUTHBEARER', 'APOP')
const tlsMode = oneOf('implicit', 'required', 'offered', 'off')
const tlsVersion = oneOf('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3')

/** What all servers have: where they listen, how many they serve, when they go home. */
const serving = {
  max_connections: optional(count(1), 1_000),
  max_connections_per_address: optional(count(1), 100),
  /** Longest silence of a peer. */
  timeout: optional(time, '5m'),
  /** Peers that may begin with a PROXY header (HAProxy, nginx). */
  proxies: optional(list(network), []),
  /** How long a process that systemd started lives without a connection; 0 is for ever. */
  idle_exit: optional(time, '0s'),
}

function listener({ address }: Placed) {
  return {
    address,
    tls: optional(tlsMode),
    /** The FileDescriptorName of systemd's socket for this listener. */
    socket: optional(string),
    minimum: optional(tlsVersion),
  }
}

function smtpListener(place: Placed) {
  return table({
    ...listener(place),
    protocol: optional(oneOf('smtp', 'lmtp'), 'smtp'),
    auth: optional(oneOf('required', 'offered', 'off')),
    trusted: optional(list(network)),
    senders: optional(list(pattern)),
    recipients: optional(list(pattern)),
  })
}

const headerCheck = table({
  header: string,
  pattern: string,
  action: oneOf('add', 'remove', 'replace', 'redirect', 'discard', 'reject'),
  value: optional(string),
})

/** How a password for another server is come by: at most one of the three. */
function credentials({ path }: Placed) {
  return {
    user: optional(string),
    password_file: optional(path),
    /** Its first line of output is the password; run by `sh -c`. */
    password_command: optional(string),
    oauth2: optional(
      table({
        client_id: string,
        client_secret_file: optional(path),
        /** Written again when the provider gives a new one. */
        refresh_token_file: path,
        token_url: optional(string, 'https://oauth2.googleapis.com/token'),
        scope: optional(string, 'https://mail.google.com/'),
      }),
    ),
  }
}

function smarthost(place: Placed) {
  return {
    host: optional(server),
    protocol: optional(oneOf('smtp', 'lmtp'), 'smtp'),
    tls: optional(tlsMode),
    /** PEM; the system's authorities unless told. */
    ca: optional(place.path),
    ...credentials(place),
    from: optional(mailAddress),
    messages_per_day: optional(count(1)),
    recipients_per_message: optional(count(1), 100),
    concurrency: optional(count(1), 2),
  }
}

function relay(place: Placed) {
  return {
    ...smarthost(place),
    /** Sent by MX where no route and no host says otherwise. */
    direct: optional(boolean, false),
    /** Senders' addresses in the outside world, by their address here. */
    senders: optional(named(mailAddress), {}),
    /** A login's mail that goes out is filed into its Sent folder too. */
    save_sent: optional(boolean, false),
    route: optional(
      list(table({ ...smarthost(place), sender: optional(pattern), recipient: optional(pattern) })),
      [],
    ),
    dkim: optional(table({ domain, selector: string, key: place.path })),
  }
}

function fetchAccount(place: Placed) {
  return table({
    provider: optional(oneOf('gmail', 'naver', 'daum', 'outlook', 'yahoo', 'icloud')),
    protocol: optional(oneOf('imap', 'pop3'), 'imap'),
    host: optional(server),
    tls: optional(tlsMode),
    ca: optional(place.path),
    ...credentials(place),
    into: mailAddress,
    folders: optional(
      list(
        eitherOf(string, table({ from: string, to: string }), 'must be a name or { from = "…", to = "…" }'),
      ),
      ['*'],
    ),
    exclude: optional(list(string), []),
    deliver: optional(oneOf('folder', 'sieve'), 'folder'),
    flags: optional(oneOf('once', 'follow', 'none'), 'once'),
    gone: optional(oneOf('keep', 'trash'), 'keep'),
    /** Folders that `--watch` holds IDLE on. */
    watch: optional(list(string), ['INBOX']),
    every: optional(time, '5m'),
    max_connections: optional(count(1), 3),
    // Gmail's limit is 2,500 MB, and an M here is 1024 × 1024.
    bytes_per_day: optional(size, '2384M'),
    labels: optional(oneOf('links', 'keywords'), 'links'),
    all_mail: optional(oneOf('whole', 'rest', 'skip'), 'whole'),
  })
}

/** A script that runs for what a client does with the messages of some mailboxes (RFC 6785). */
function imapScript({ path }: Placed) {
  return {
    mailbox: string,
    from: optional(string),
    causes: optional(list(oneOf('APPEND', 'COPY', 'FLAG')), ['APPEND', 'COPY', 'FLAG']),
    before: optional(path),
    after: optional(path),
  }
}

/** The whole file. @param directory what relative paths are relative to */
export function configSchema(directory: string) {
  const place = placed(directory)
  const { path, address } = place
  const serverTable = () => list(table(listener(place)))
  return table({
    hostname: domain,
    domains: list(domain),
    log: section({ level: optional(oneOf('error', 'warning', 'info', 'debug'), 'info') }),
    users: section({
      file: optional(path, 'users'),
      aliases: optional(path, 'aliases'),
      home: optional(path, '/var/lib/postern/home/%d/%n'),
      /** Each of its characters separates a detail from a local part. */
      delimiter: optional(delimiter, '+'),
    }),
    login: section({
      penalty: optional(time, '2s'),
      mechanisms: optional(list(mechanism), ['PLAIN', 'LOGIN']),
      /** Who issues the access tokens of XOAUTH2 and OAUTHBEARER. */
      oauth2: optional(
        table({
          introspection_url: optional(url),
          userinfo_url: optional(url),
          client_id: optional(string),
          client_secret_file: optional(path),
          ca: optional(path),
          claim: optional(string),
          scope: optional(string),
        }),
      ),
    }),
    tls: section({
      certificate: optional(path, 'tls/mail.crt'),
      key: optional(path, 'tls/mail.key'),
      minimum: optional(tlsVersion, 'TLSv1.2'),
    }),
    smtpd: section({
      listen: optional(list(smtpListener(place)), [{ address: '0.0.0.0:587' }, { address: '0.0.0.0:465' }]),
      trusted: optional(list(network), ['127.0.0.0/8', '::1/128']),
      max_message_size: optional(size, '50M'),
      max_recipients: optional(count(1), 100),
      /** By one login. */
      messages_per_minute: optional(count(1), 100),
      /** After which a session is ended with 421. */
      max_errors: optional(count(1), 20),
      /** How long a session may last in all. */
      max_session: optional(time, '1h'),
      /** Addresses a login may send as besides its own and its aliases. */
      senders: optional(named(list(pattern)), {}),
      /** What is done to messages whose header fits a pattern, in order. */
      header_check: optional(list(headerCheck), []),
      /** A program that sees each message before it is taken; run by `sh -c`. */
      pipe: optional(string),
      pipe_timeout: optional(time, '1m'),
      ...serving,
      xclient: optional(list(network), []),
    }),
    deliver: section({
      /** What becomes of `user+detail`: nothing, or the folder of that name, where it exists. */
      detail: optional(oneOf('ignore', 'folder'), 'ignore'),
      /** How long a Message-ID is remembered, so that a second copy is dropped. */
      duplicates: optional(time, '0s'),
      /** Answer to a message that a full mailbox cannot take. */
      over_quota: optional(oneOf('reject', 'defer'), 'reject'),
    }),
    mailbox: section({ quota: optional(size), quota_messages: optional(count(1)) }),
    sieve: section({
      before: optional(list(path), []),
      after: optional(list(path), []),
      default: optional(path),
      max_script_size: optional(size, '1M'),
      max_scripts: optional(count(1), 100),
      max_redirects: optional(count(), 16),
      /** Octets that all scripts of a user may have together. */
      max_storage: optional(size, '10M'),
      /** The folder whose scripts `include :global` finds. */
      global: optional(path),
      /** The folder whose files are the lists of extlists, one address or value a line. */
      lists: optional(path),
      /** The folder whose programs vnd.dovecot.pipe, filter and execute may run. */
      programs: optional(path),
      /** The extensions that scripts may require; all unless told. */
      extensions: optional(list(string)),
      /** Limits and settings of extensions, by the names of mail-sieve(1). */
      settings: optional(named(string), {}),
      /** Scripts that run when a client appends, copies or marks mail. */
      imap: optional(list(table(imapScript(place))), []),
    }),
    queue: section({
      directory: optional(path, '/var/lib/postern/queue'),
      max_age: optional(time, '5d'),
      warn_after: optional(time, '4h'),
      first_retry: optional(time, '1m'),
      last_retry: optional(time, '1h'),
      /** How long mail-relay lives with nothing to send; 0 is for ever. */
      idle_exit: optional(time, '0s'),
    }),
    relay: optional(table(relay(place))),
    imapd: section({
      listen: optional(serverTable(), [{ address: '0.0.0.0:143' }, { address: '0.0.0.0:993' }]),
      ...serving,
      timeout: optional(time, '30m'),
      /** Whether users may let each other into their mailboxes. */
      sharing: optional(boolean, false),
    }),
    pop3d: section({
      listen: optional(serverTable(), []),
      delete: optional(oneOf('expunge', 'trash', 'ignore'), 'expunge'),
      lock: optional(boolean, false),
      /** Least time between two logins of a user. */
      login_delay: optional(time, '0s'),
      ...serving,
      timeout: optional(time, '10m'),
    }),
    sieved: section({ listen: optional(serverTable(), []), ...serving, timeout: optional(time, '30m') }),
    fetch: optional(named(fetchAccount(place)), {}),
    /** Where processes of this configuration find each other. */
    runtime: section({ directory: optional(path, '/run/postern') }),
    metrics: optional(table({ listen: optional(address), textfile: optional(path) })),
    alerts: optional(table({ command: optional(string), webhook: optional(string) })),
    profiles: optional(table({ listen: address })),
  })
}

/** The file as it comes out of the schema, before listeners have all their settings. */
export type Checked = Infer<ReturnType<typeof configSchema>>
