/** Debian's Roundcube over PHP's own web server, with a database of its own, beside our servers on loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { has } from './program.js'
import { freePorts, until } from './world.js'

const installed = '/var/lib/roundcube'

/** Why a test with Roundcube cannot run here; false when it can. */
export const roundcubeMissing =
  has('php') && existsSync(`${installed}/index.php`) ? false : 'needs roundcube and php'

export interface RoundcubeOptions {
  readonly imap: number
  readonly smtp: number
  readonly sieve: number
  /** The certificate authority of our servers. */
  readonly ca: string
}

export class Roundcube {
  readonly #directory: string
  readonly #php: ChildProcess
  readonly url: string

  private constructor(directory: string, php: ChildProcess, url: string) {
    this.#directory = directory
    this.#php = php
    this.url = url
  }

  static async start(options: RoundcubeOptions): Promise<Roundcube> {
    const directory = mkdtempSync(join(tmpdir(), 'postern-roundcube-'))
    for (const name of ['temp', 'logs']) mkdirSync(join(directory, name))
    const database = join(directory, 'roundcube.db')
    writeFileSync(join(directory, 'config.inc.php'), configuration(options, directory, database))
    writeFileSync(join(directory, 'defaults.inc.php'), readFileSync('/etc/roundcube/defaults.inc.php'))
    writeFileSync(join(directory, 'create.php'), createDatabase(database))
    execFileSync('php', [join(directory, 'create.php')])
    const [port] = await freePorts(1)
    const php = spawn('php', ['-S', `127.0.0.1:${port}`, '-t', installed], {
      stdio: 'ignore',
      // More than one request at a time, as browsers have it.
      env: { ...process.env, ROUNDCUBE_CONFIG_DIR: directory, PHP_CLI_SERVER_WORKERS: '4' },
      detached: true,
    })
    const url = `http://127.0.0.1:${port}/`
    await until(
      () =>
        fetch(url).then(
          response => response.ok,
          () => false,
        ),
      30_000,
    )
    return new Roundcube(directory, php, url)
  }

  /** The errors it has logged, without what PHP says of PHP. */
  get errors(): string[] {
    const log = join(this.#directory, 'logs', 'errors.log')
    if (!existsSync(log)) return []
    return readFileSync(log, 'utf8')
      .split('\n')
      .filter(line => line !== '' && !line.includes('PHP Deprecated'))
  }

  close(): void {
    // Its workers are of its group.
    if (this.#php.pid !== undefined) process.kill(-this.#php.pid)
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 20 })
  }
}

function configuration(options: RoundcubeOptions, directory: string, database: string): string {
  const tls = `['ssl' => ['cafile' => '${options.ca}', 'verify_peer_name' => false]]`
  return `<?php
$config = [];
$config['db_dsnw'] = 'sqlite:///${database}?mode=0600';
$config['imap_host'] = 'ssl://127.0.0.1:${options.imap}';
$config['imap_conn_options'] = ${tls};
$config['smtp_host'] = 'tls://127.0.0.1:${options.smtp}';
$config['smtp_conn_options'] = ${tls};
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';
$config['managesieve_host'] = 'tls://127.0.0.1:${options.sieve}';
$config['managesieve_conn_options'] = ${tls};
$config['plugins'] = ['managesieve', 'archive', 'markasjunk'];
$config['temp_dir'] = '${join(directory, 'temp')}';
$config['log_dir'] = '${join(directory, 'logs')}';
$config['des_key'] = 'rcmail-24-characters-key';
$config['mail_domain'] = 'ilnmors.internal';
$config['language'] = 'en_US';
$config['create_default_folders'] = true;
$config['enable_spellcheck'] = false;
$config['htmleditor'] = 0;
$config['message_sort_col'] = 'arrival';
$config['session_lifetime'] = 60;
`
}

function createDatabase(database: string): string {
  return `<?php
$db = new PDO('sqlite:${database}');
$db->exec(file_get_contents('/usr/share/roundcube/SQL/sqlite.initial.sql'));
`
}
