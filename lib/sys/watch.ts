/** Watching a few files or small directories for changes: the only file that knows chokidar. */

/** How long the first look at the files may take, in milliseconds. */
const longestStart = 2_000

export interface Watch {
  close(): Promise<void>
}

/**
 * Calls `changed` after any of the paths was written, replaced, made or removed. Changes that come together, as an
 * editor's rename or a certificate with its key do, are told once. Not for Maildirs: each file watched costs a watch.
 *
 * @param settle how long to wait for more changes, in milliseconds
 */
export async function watchFiles(
  paths: readonly string[],
  changed: () => void,
  settle = 100,
): Promise<Watch> {
  const { watch } = await import('chokidar')
  const watcher = watch([...paths], { ignoreInitial: true, depth: 0 })
  let timer: NodeJS.Timeout | undefined
  watcher.on('all', () => {
    clearTimeout(timer)
    timer = setTimeout(changed, settle).unref()
  })
  await readyOf(watcher)
  return {
    close: async () => {
      clearTimeout(timer)
      await watcher.close()
    },
  }
}

/** Where a directory vanishes under its hands, chokidar never says that it is ready: a server must not wait for it. */
function readyOf(watcher: { once(event: 'ready', told: () => void): unknown }): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, longestStart)
    watcher.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
