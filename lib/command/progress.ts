/** What is going on, for a person who waits: the only file that knows ora. */
import type { WriteStream } from 'node:tty'

export interface Progress {
  /** Says what is being done now. */
  step(text: string): void
  /** Takes the last line away. */
  end(): void
}

/** A line that turns on a terminal; nothing where no person looks. */
export async function progress(stream: WriteStream = process.stderr): Promise<Progress> {
  // A terminal that does not know its width (a bare pty) would make ora count lines for ever.
  if (!stream.isTTY || !(stream.columns > 0)) return { step: () => {}, end: () => {} }
  const { default: ora } = await import('ora')
  const spinner = ora({ stream, discardStdin: false, hideCursor: false })
  return {
    step: text => {
      spinner.text = text
      if (!spinner.isSpinning) spinner.start()
    },
    end: () => spinner.stop(),
  }
}
