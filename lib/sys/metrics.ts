/** Numbers for Prometheus: a small registry, and the text exposition format 0.0.4. */

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
}

/** All numbers of one name. */
export interface Family {
  /** Of letters, digits and `_`; a counter's ends in `_total`. */
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly samples: readonly Sample[]
}

/** A number for each set of labels. */
export class Series {
  readonly #values = new Map<string, { readonly labels: Labels; value: number }>()

  /** Counts. */
  add(labels: Labels = {}, by = 1): void {
    this.#at(labels).value += by
  }

  set(value: number, labels: Labels = {}): void {
    this.#at(labels).value = value
  }

  /** Forgets all: of a gauge whose labels come and go. */
  clear(): void {
    this.#values.clear()
  }

  get samples(): Sample[] {
    return [...this.#values.values()].map(({ labels, value }) => ({ labels, value }))
  }

  #at(labels: Labels): { value: number } {
    const key = JSON.stringify(labels)
    const known = this.#values.get(key) ?? { labels, value: 0 }
    this.#values.set(key, known)
    return known
  }
}

interface Entry {
  readonly name: string
  readonly type: Family['type']
  readonly help: string
  readonly series: Series
}

/** What one process counts. */
export class Metrics {
  readonly #entries = new Map<string, Entry>()
  readonly #collectors: (() => void | Promise<void>)[] = []

  /** What only grows; without labels it is 0 from the start, so that its growth can be told. */
  counter(name: string, help: string, labels?: Labels): Series {
    const series = this.#series(name, 'counter', help)
    series.add(labels, 0)
    return series
  }

  /** A counter of which nothing is known until it counts: its labels come with what happens. */
  labelledCounter(name: string, help: string): Series {
    return this.#series(name, 'counter', help)
  }

  /** What goes up and down. */
  gauge(name: string, help: string): Series {
    return this.#series(name, 'gauge', help)
  }

  /** Called each time before the numbers are read, for what is measured then. */
  onCollect(collector: () => void | Promise<void>): void {
    this.#collectors.push(collector)
  }

  /** @param labels what every number of this process carries too */
  async families(labels: Labels = {}): Promise<Family[]> {
    for (const collector of this.#collectors) await collector()
    return [...this.#entries.values()].map(({ series, ...family }) => ({
      ...family,
      samples: series.samples.map(each => ({ ...each, labels: { ...labels, ...each.labels } })),
    }))
  }

  #series(name: string, type: Family['type'], help: string): Series {
    const known = this.#entries.get(name)
    if (known) return known.series
    const series = new Series()
    this.#entries.set(name, { name, type, help, series })
    return series
  }
}

/** Families of several processes as one list: the format wants each name once. */
export function mergeFamilies(lists: readonly (readonly Family[])[]): Family[] {
  const merged = new Map<string, Family>()
  for (const family of lists.flat()) {
    const known = merged.get(family.name)
    merged.set(family.name, known ? { ...known, samples: [...known.samples, ...family.samples] } : family)
  }
  return [...merged.values()]
}

/** The content type of what {@link exposition} writes. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/** The text that Prometheus reads; families without a number are left out. */
export function exposition(families: readonly Family[]): string {
  let text = ''
  for (const { name, type, help, samples } of families) {
    if (samples.length === 0) continue
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
    for (const { labels, value } of samples) text += `${name}${braces(labels)} ${number(value)}\n`
  }
  return text
}

function braces(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}
