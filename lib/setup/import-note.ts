/** What became of one setting of another program. */

export interface Note {
  /** kept: means the same here; changed: means something a little different; unsupported: has no effect here. */
  readonly fate: 'kept' | 'changed' | 'unsupported'
  /** The file it came from. */
  readonly where: string
  /** As it stood: `relayhost = [smtp.gmail.com]:587`; never a password. */
  readonly setting: string
  /** What it is now, or why it is nothing. */
  readonly detail: string
}

/** One line for people. */
export function formatNote({ fate, where, setting, detail }: Note): string {
  return `${fate.padEnd(11)} ${where}: ${setting}: ${detail}`
}
