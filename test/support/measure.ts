/** Figures for test/bench/: wall time by the clock, CPU time and memory of a server's processes from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** A process and all that descend from it. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = Number(statOf(Number(name))[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const tree = [root]
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] as number) ?? []))
  return tree
}

/** The fields of /proc/PID/stat after the command's name: state, parent … */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** CPU seconds that a process tree has used, those of its ended and awaited children included. */
export function cpuSeconds(root: number): number {
  let ticks = 0
  for (const pid of processTree(root)) {
    const fields = statOf(pid)
    for (const field of [11, 12, 13, 14]) ticks += Number(fields[field] ?? 0)
  }
  return ticks / 100
}

/** Proportional set size of a process tree, in KiB. */
export function pssKiB(root: number): number {
  let sum = 0
  for (const pid of processTree(root)) {
    try {
      sum += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0)
    } catch {
      // Ended meanwhile.
    }
  }
  return sum
}

/** Octets of memory that a process had at its highest. */
export function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024
}

export interface Figure {
  /** Seconds. */
  readonly wall: number
  readonly cpu: number
}

/** Runs `work` and takes the time of it and of the server. */
export async function measure(server: number, work: () => Promise<unknown>): Promise<Figure> {
  const cpu = cpuSeconds(server)
  const start = performance.now()
  await work()
  const wall = (performance.now() - start) / 1000
  // The kernel accounts CPU time at its ticks.
  await new Promise(resolve => setTimeout(resolve, 30))
  return { wall, cpu: cpuSeconds(server) - cpu }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] as number
}

/** Prints one line: what was done, ours and theirs (medians of the runs), and the ratio of wall times. */
export function report(what: string, ours: readonly Figure[], theirs: readonly Figure[], peer: string): void {
  const [wall, cpu] = [median(ours.map(f => f.wall)), median(ours.map(f => f.cpu))]
  const [peerWall, peerCpu] = [median(theirs.map(f => f.wall)), median(theirs.map(f => f.cpu))]
  const figures = `postern ${wall.toFixed(3)} s (cpu ${cpu.toFixed(2)})  ${peer} ${peerWall.toFixed(3)} s (cpu ${peerCpu.toFixed(2)})`
  process.stdout.write(`${what.padEnd(34)} ${figures}  ratio ${(wall / peerWall).toFixed(2)}\n`)
}
