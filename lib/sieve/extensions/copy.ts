import type { Extension } from '../definition.js'

/** RFC 3894: `fileinto` and `redirect` that leave the implicit keep alone. */
export const copy: Extension = {
  name: 'copy',
  tags: [
    {
      on: ['fileinto', 'redirect', 'pipe'],
      tag: { name: 'copy', effect: () => (_run, action) => ({ ...action, copy: true }) as typeof action },
    },
  ],
}
