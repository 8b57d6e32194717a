/**
 * The relay: takes what is due from the queue to where it goes. Everything it knows stands in the queue's files; what
 * is held in memory here is only which entry wants attention when, and which destinations can be reached.
 */
import { collect } from '../queue/drop.js'
import type { Envelope, Recipient } from '../queue/entry.js'
import type { Queue } from '../queue/queue.js'
import { nextReview } from '../queue/schedule.js'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Agenda } from './agenda.js'
import { Budgets } from './budget.js'
import { Chores } from './chores.js'
import type { Destination } from './destination.js'
import { Destinations } from './destinations.js'
import { type Household, keepHouse, needsHouse } from './house.js'
import { type Job, Workbench } from './job.js'
import type { DeliverLocally, FileSent } from './local.js'
import { type Directory, dnsDirectory } from './mx.js'
import { sendTo } from './sending.js'
import type { RelaySettings } from './settings.js'
import { removeStatus, writeStatus } from './status.js'

export interface RelayOptions {
  readonly queue: Queue
  readonly settings: RelaySettings
  readonly deliverLocally: DeliverLocally
  /** Needed where the settings say that sent mail is filed. */
  readonly fileSent?: FileSent
  readonly log: Log
  readonly clock?: () => number
  /** Between 0 and 1. */
  readonly random?: () => number
  readonly dns?: Directory
}

/** How many entries are worked on without a connection at a time. */
const houseConcurrency = 8
/** How many entries are under way in all, those that are only being written down among them. */
const mostJobs = 200
/** How often the directory is looked through for what no notice came of; milliseconds. */
const lookEvery = 30_000
/** How often leftovers are swept up. */
const sweepEvery = 60 * 60_000
/** When an entry is looked at again that another process has, or that could not be worked on. */
const again = { taken: 5_000, trouble: 60_000 }

export class Relay {
  readonly #queue: Queue
  readonly #options: Required<RelayOptions>
  #settings: RelaySettings
  readonly #agenda = new Agenda()
  readonly #bench: Workbench
  readonly #budgets: Budgets
  #destinations: Destinations
  /** Entries that want something done without a connection. */
  readonly #house = new Set<string>()
  #houseActive = 0
  /** Entries whose time has come because somebody said so: not begun yet, and under way for that reason. */
  readonly #hurried = new Set<string>()
  readonly #hurrying = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  readonly #chores: Chores
  #stopping = false
  #quiet: (() => void)[] = []

  constructor(options: RelayOptions) {
    this.#options = {
      clock: Date.now,
      random: Math.random,
      dns: dnsDirectory,
      fileSent: async () => false,
      ...options,
    }
    this.#queue = options.queue
    this.#settings = options.settings
    this.#destinations = new Destinations(options.settings, this.#options.dns)
    this.#budgets = new Budgets(options.queue.directory)
    this.#chores = new Chores(options.log)
    this.#bench = new Workbench(options.queue, (id, left) => this.#closed(id, left))
  }

  /** Begins to work, and goes on until {@link Relay.stop}. */
  async start(): Promise<void> {
    const chores = this.#chores
    chores.watch(this.#queue.watch(id => this.#look(id)))
    chores.watch(this.#queue.watchDrop(() => void chores.run(() => this.#collect())))
    await this.#sweep()
    await this.#collect()
    await this.#lookThrough()
    chores.every(lookEvery, () => this.#lookThrough())
    chores.every(lookEvery, () => this.#collect())
    chores.every(sweepEvery, () => this.#sweep())
    chores.watchNetwork(() => {
      this.#destinations.hurry()
      this.#pump()
    })
  }

  /**
   * Does what is due now, each destination that cannot be reached being tried once, and returns.
   *
   * @param all whether what is not due yet counts as due
   */
  async once(all = false): Promise<void> {
    await this.#sweep()
    await this.#collect()
    await (all ? this.flush() : this.#lookThrough())
    await this.settled()
    await this.stop(0)
  }

  /** Resolves when nothing can be done until some time passes. */
  settled(): Promise<void> {
    return new Promise(resolve => {
      this.#quiet.push(resolve)
      this.#pump()
    })
  }

  /** Tries everything now. */
  async flush(): Promise<void> {
    this.#destinations.hurry()
    for (const id of await this.#queue.list()) this.#hurried.add(id)
    await this.#lookThrough()
  }

  /** Goes on with other settings; what is under way ends as it began. */
  async replace(settings: RelaySettings): Promise<void> {
    this.#settings = settings
    this.#destinations.close()
    this.#destinations = new Destinations(settings, this.#options.dns)
    await this.flush()
  }

  /** Begins nothing new, and waits up to `grace` milliseconds for what is under way. */
  async stop(grace: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#chores.stop()
    const end = Date.now() + grace
    while (this.#bench.size > 0 && Date.now() < end) await new Promise(resolve => setTimeout(resolve, 20))
    this.#bench.giveUp()
    this.#destinations.close()
    removeStatus(this.#queue.directory)
  }

  /** Decides what an entry wants, from its envelope as it is now. */
  #look(id: string): void {
    if (this.#stopping || this.#bench.has(id)) return
    const envelope = this.#queue.read(id)
    if (!envelope || envelope.held !== undefined) return this.#forget(id)
    if (needsHouse(id, envelope, this.#household)) this.#house.add(id)
    for (const recipient of envelope.recipients) {
      if (recipient.state !== 'waiting' || !this.#isDue(id, recipient)) continue
      const destination = this.#destinations.of(envelope, recipient)
      if (!destination) continue
      destination.waiting.add(id)
      if (recipient.due === 0) destination.hurry()
    }
    this.#agenda.set(id, this.#nextLook(envelope))
    this.#pumpSoon()
  }

  #nextLook(envelope: Envelope): number {
    const now = this.#options.clock()
    const times = envelope.recipients.flatMap(({ state, due }) => (state === 'waiting' ? [due] : []))
    // What is due already stands in some line, and the entry is looked at again when that is done.
    const later = [...times, nextReview(envelope, this.#settings.schedule)].filter(time => time > now)
    return Math.min(Number.POSITIVE_INFINITY, ...later)
  }

  #forget(id: string): void {
    this.#agenda.delete(id)
    this.#house.delete(id)
    this.#hurried.delete(id)
    this.#destinations.forget(id)
  }

  #closed(id: string, left: boolean): void {
    this.#hurrying.delete(id)
    if (left) this.#look(id)
    else this.#forget(id)
    this.#pumpSoon()
  }

  #pumping = false

  /** Pumps when the present work is done, once for many calls. */
  #pumpSoon(): void {
    if (this.#pumping) return
    this.#pumping = true
    setImmediate(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  /** Starts whatever may be started, and sets the clock for the rest. */
  #pump(): void {
    if (this.#stopping) return this.#tellQuiet()
    const now = this.#options.clock()
    for (let id = this.#agenda.take(now); id !== undefined; id = this.#agenda.take(now)) this.#look(id)
    while (this.#houseActive < houseConcurrency && this.#house.size > 0) this.#startHouse()
    for (const destination of this.#destinations.all())
      while (this.#bench.size < mostJobs && destination.mayStart(now)) this.#startSending(destination)
    this.#destinations.prune()
    this.#setClock(now)
    this.#tellQuiet()
  }

  #setClock(now: number): void {
    const next = Math.min(this.#agenda.next, this.#destinations.next)
    clearTimeout(this.#timer)
    if (next === Number.POSITIVE_INFINITY) return
    // A timer holds 24 days at most; and the clock may be set.
    this.#timer = setTimeout(() => this.#pump(), Math.min(Math.max(next - now, 1), 60_000))
  }

  #tellQuiet(): void {
    if (this.#quiet.length === 0 || this.#pumping || this.#houseActive > 0 || this.#bench.size > 0) return
    if (this.#destinations.active) return
    for (const tell of this.#quiet.splice(0)) tell()
  }

  #startHouse(): void {
    const [id = ''] = this.#house
    this.#house.delete(id)
    this.#houseActive++
    void this.#withJob(id, async job => {
      for (const made of await keepHouse(job, this.#household)) this.#look(made)
    }).finally(() => {
      this.#houseActive--
      this.#pumpSoon()
    })
  }

  /** The connection is free for the next entry as soon as this one is sent, while that is still being written down. */
  #startSending(destination: Destination): void {
    const id = destination.start() as string
    let isOver = false
    const over = () => {
      if (!isOver) destination.end()
      isOver = true
      this.#pumpSoon()
    }
    void this.#withJob(id, job => this.#send(destination, job).finally(over)).finally(() => {
      over()
      this.#noteStatus()
    })
  }

  async #send(destination: Destination, job: Job): Promise<void> {
    const { log, clock, random } = this.#options
    const { envelope, id } = job
    const mine = envelope.recipients.filter(
      each =>
        each.state === 'waiting' &&
        this.#isDue(id, each) &&
        this.#destinations.of(envelope, each) === destination,
    )
    if (mine.length === 0) return
    const sending = { settings: this.#settings, budgets: this.#budgets, log, clock, random }
    await sendTo(destination, job, mine, sending)
  }

  /** Works on an entry, if it is there and nobody else has it. Trouble of this machine is logged and tried again. */
  async #withJob(id: string, work: (job: Job) => Promise<void>): Promise<void> {
    const { log, clock } = this.#options
    try {
      const job = await this.#bench.open(id)
      if (!job) return this.#forget(id)
      if (job === 'taken') return this.#agenda.set(id, clock() + again.taken)
      if (this.#hurried.delete(id)) this.#hurrying.add(id)
      try {
        if (job.envelope.held === undefined) await work(job)
      } finally {
        await job.close()
      }
    } catch (error) {
      log.error('entry-failed', { message: id, reason: describe(error) })
      this.#forget(id)
      this.#agenda.set(id, clock() + again.trouble)
    }
  }

  get #household(): Household {
    const { queue, deliverLocally, fileSent, log, clock, random } = this.#options
    return {
      queue,
      deliverLocally,
      fileSent,
      log,
      clock,
      random,
      settings: this.#settings,
      isDue: (id, recipient) => this.#isDue(id, recipient),
      troubleOf: (envelope, recipient) => this.#destinations.of(envelope, recipient)?.pause?.said,
    }
  }

  #isDue(id: string, { due }: Recipient): boolean {
    return due <= this.#options.clock() || this.#hurried.has(id) || this.#hurrying.has(id)
  }

  /** Looks at every entry, a few at a time: other work goes on in between. */
  async #lookThrough(): Promise<void> {
    const ids = await this.#queue.list()
    const present = new Set(ids)
    for (const id of [...this.#agenda.ids()]) if (!present.has(id)) this.#forget(id)
    for (const [i, id] of ids.entries()) {
      if (!this.#agenda.has(id) || this.#hurried.has(id)) this.#look(id)
      if (i % 200 === 199) await new Promise(resolve => setImmediate(resolve))
    }
    this.#pumpSoon()
  }

  async #collect(): Promise<void> {
    const { accepted, refused, left } = await collect(this.#queue)
    const { log } = this.#options
    for (const id of accepted) log.info('dropped', { message: id })
    for (const { id, reason } of refused) log.warning('drop-refused', { message: id, reason })
    for (const { id, reason } of left) log.error('drop-left', { message: id, reason })
    for (const id of accepted) this.#look(id)
  }

  async #sweep(): Promise<void> {
    const { drafts, broken } = await this.#queue.sweep()
    const { log } = this.#options
    if (drafts > 0) log.info('swept', { drafts })
    for (const id of broken) log.error('broken-entry', { message: id, moved: 'broken/' })
  }

  /** Leaves word of destinations that rest where `mail-queue list` finds it. */
  #noteStatus(): void {
    writeStatus(this.#queue.directory, this.#destinations.all(), this.#options.log)
  }
}
