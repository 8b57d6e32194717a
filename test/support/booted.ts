/**
 * A Debian 12 that a real systemd has booted, as the first process of its own namespaces, on a tree that is thrown
 * away: for tests of units. Its processes see their own network, and none of the host's.
 *
 * The tree below is made once by mmdebstrap, into the directory for temporary files, and is never written to.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { has } from './program.js'
import { until } from './world.js'

const run = promisify(execFile)

const tree = join(tmpdir(), 'postern-debian-12')
const packages = 'systemd,systemd-sysv,dbus,procps,iproute2,libstdc++6'
/** Where the package stands inside, as npm install -g would put it. */
export const packagePath = '/usr/lib/node_modules/postern'
/** systemd's signal to halt (systemd(1), SIGRTMIN+4). */
const powerOff = 38

/** Why no machine can be booted here; false when one can. */
export function noMachine(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'booting a machine needs root on Linux'
  const systems = readFileSync('/proc/filesystems', 'latin1')
  for (const system of ['overlay', 'cgroup2'])
    if (!new RegExp(`\\t${system}$`, 'm').test(systems)) return `the kernel has no ${system}`
  for (const program of ['unshare', 'nsenter', 'mount', 'pivot_root', 'mmdebstrap'])
    if (!has(program) && !existsSync(`/usr/sbin/${program}`)) return `${program} is not installed`
  return false
}

/** What is done inside the namespaces, before systemd: mounts, devices, a root of its own. */
const prepare = `
set -e
tree=$1 work=$2 node=$3 dist=$4 units=$5 package=$6
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
cd "$work/root"
mkdir -p ".$package/dist" ".$package/lib"
cp -r "$dist/bin" ".$package/dist/bin"
cp -r "$dist/worker" ".$package/dist/worker"
cp -r "$units" ".$package/lib/systemd"
touch usr/bin/node
mount --bind "$node" usr/bin/node
: > etc/machine-id
echo booted > etc/hostname
printf '127.0.0.1 localhost booted\\n::1 localhost\\n' > etc/hosts
ln -sf /lib/systemd/system/multi-user.target etc/systemd/system/default.target
for unit in console-getty.service getty@tty1.service systemd-udevd.service systemd-timesyncd.service \\
    apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done
mount -t proc proc proc
# The host's kernel is no business of this machine.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
[ ! -e proc/sysrq-trigger ] || mount --bind /dev/null proc/sysrq-trigger
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
# Nodes of its own: a change of mode inside must not reach the host's.
while read name minor mode major; do mknod -m "$mode" "dev/$name" c "$major" "$minor"; done <<END
null 3 666 1
zero 5 666 1
full 7 666 1
random 8 666 1
urandom 9 666 1
tty 0 666 5
END
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s /proc/self/fd dev/fd
ip link set lo up
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=0
`

export class Machine {
  readonly #outer: ChildProcess
  readonly #work: string
  readonly #group: string
  /** Of its systemd, as the host counts. */
  readonly pid: number

  private constructor(outer: ChildProcess, work: string, group: string, pid: number) {
    this.#outer = outer
    this.#work = work
    this.#group = group
    this.pid = pid
  }

  /** Boots; all units have settled when this returns. @throws Error with what was said */
  static async boot(): Promise<Machine> {
    await makeTree()
    const work = mkdtempSync(join(tmpdir(), 'postern-boot-'))
    const group = join(unifiedGroups(), `postern-boot-${process.pid}`)
    mkdirSync(group, { recursive: true })
    const namespaces = '--pid --mount --uts --ipc --net --cgroup --fork --kill-child --propagation private'
    const enter = `echo $$ > "$7/cgroup.procs"; exec unshare ${namespaces} bash -c "$0" boot "$@"`
    const argv = [tree, work, process.execPath, resolve('dist'), resolve('lib/systemd'), packagePath, group]
    const outer = spawn('bash', ['-c', enter, prepare, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    outer.stderr?.on('data', chunk => {
      said += chunk
    })
    let inner = 0
    await until(() => {
      if (outer.exitCode !== null) return true
      inner = childOf(outer.pid as number)
      return inner > 0 && commandOf(inner) === 'systemd'
    }, 30_000)
    if (outer.exitCode !== null) {
      rmSync(work, { recursive: true, force: true })
      removeGroup(group)
      throw new Error(`the machine did not boot: ${said}`)
    }
    const machine = new Machine(outer, work, group, inner)
    await until(() => existsSync(`/proc/${inner}/root/run/systemd/private`), 30_000)
    await machine.sh('systemctl is-system-running --wait || systemctl --failed >&2')
    return machine
  }

  /** Runs a shell's line inside. @returns its output @throws Error when it fails, with what it said */
  async sh(line: string): Promise<string> {
    return this.exec('sh', '-c', line)
  }

  /** Runs a program inside. */
  async exec(program: string, ...argv: readonly string[]): Promise<string> {
    const inside = [
      '-t',
      String(this.pid),
      '-a',
      'env',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      program,
      ...argv,
    ]
    try {
      return (await run('nsenter', inside, { timeout: 120_000, maxBuffer: 1 << 24, cwd: '/' })).stdout
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      throw new Error(`${argv.at(-1)} failed: ${stderr}${stdout}`)
    }
  }

  /** Runs JavaScript inside, as a module. */
  async script(text: string): Promise<string> {
    return this.exec('node', '--input-type=module', '-e', text)
  }

  /** Connects to mail-imapd 50 times, one after the other, within some seconds. @returns how many were greeted */
  async countServed(): Promise<string> {
    return this.script(`
    import { connect } from 'node:tls'
    let served = 0
    for (let i = 0; i < 50; i++) {
      await new Promise(resolve => setTimeout(resolve, 60))
      await new Promise(resolve => {
        const socket = connect({ host: '127.0.0.1', port: 993, rejectUnauthorized: false })
        socket.on('data', data => { if (/^\\* OK/.test(String(data))) served++; socket.destroy() })
        socket.on('error', () => {})
        socket.on('close', resolve)
      })
    }
    console.log(served)
  `)
  }

  /** Turns it off; nothing of it stays. */
  async stop(): Promise<void> {
    const gone = () => this.#outer.exitCode !== null || this.#outer.signalCode !== null
    if (!gone()) process.kill(this.pid, powerOff)
    await until(gone, 10_000).catch(() => this.#outer.kill('SIGKILL'))
    await until(gone)
    rmSync(this.#work, { recursive: true, force: true })
    removeGroup(this.#group)
  }
}

async function makeTree(): Promise<void> {
  if (existsSync(tree)) return
  const half = `${tree}.${process.pid}`
  const argv = ['--variant=minbase', `--include=${packages}`, 'bookworm', half]
  try {
    await run('mmdebstrap', argv, { timeout: 600_000, maxBuffer: 1 << 24 })
    renameSync(half, tree)
  } catch (error) {
    rmSync(half, { recursive: true, force: true })
    throw error
  }
}

/** Where the unified hierarchy is mounted; mounted here where it is nowhere. */
function unifiedGroups(): string {
  const find = () => /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/mounts', 'latin1'))?.[1]
  const known = find()
  if (known !== undefined) return known
  const place = join(tmpdir(), 'postern-cgroup2')
  mkdirSync(place, { recursive: true })
  spawnSync('mount', ['-t', 'cgroup2', 'cgroup2', place])
  return place
}

function childOf(pid: number): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'), 10) || 0
  } catch {
    return 0
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim()
  } catch {
    return ''
  }
}

/** Groups go from the leaves up, once their processes are gone. */
function removeGroup(group: string): void {
  spawnSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'])
  try {
    rmdirSync(group)
  } catch {
    // Gone already, or busy for a moment more: an empty group costs nothing.
  }
}
