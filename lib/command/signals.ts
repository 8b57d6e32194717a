/** The signals of a server: SIGHUP reads the files again, SIGTERM and SIGINT end it, a second one ends it at once. */

export interface Signals {
  reload(): void
  /** Given once, at the start: what ends the wait for another reason. */
  stop?(stop: (reason: string) => void): void
}

/** A terminal's Ctrl-C reaches npm and us, and npm passes its own on: the same wish twice, within this many ms. */
const sameWish = 300

/** Resolves with the signal, or the reason, to end. */
export function untilSignal(signals: Signals): Promise<string> {
  return new Promise(resolve => {
    let asked: number | undefined
    const stop = (reason: string) => {
      const now = performance.now()
      if (asked === undefined) resolve(reason)
      else if (now - asked > sameWish) process.exit(reason === 'SIGINT' ? 130 : 143)
      asked ??= now
    }
    process.on('SIGHUP', () => signals.reload())
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    signals.stop?.(stop)
  })
}
