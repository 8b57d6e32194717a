/**
 * Trees that grow by links from child to parent, none of which may close a loop, whatever a hundred thousand
 * messages say of one another: each link and each cut takes logarithmic time on the average, without recursion.
 *
 * Most links join what was never joined before, which a union-find tells. For the rest the root of the parent is
 * looked up in link-cut trees (Sleator and Tarjan), which are only made when first needed.
 */

/** Nodes are numbers from 1 up; 0 is none. */
export class Forest {
  /** The parent of each node. */
  readonly parents: Uint32Array
  /** Union-find over what was joined at any time: nodes in two sets are surely in two trees. */
  readonly #sets: Uint32Array
  #roots: LinkCut | undefined

  /** @param count the largest node */
  constructor(count: number) {
    this.parents = new Uint32Array(count + 1)
    this.#sets = new Uint32Array(count + 1)
    for (let node = 1; node <= count; node++) this.#sets[node] = node
  }

  /** Puts a node without a parent below another. @returns false when that would be a loop, and nothing is done */
  link(child: number, parent: number): boolean {
    if (child === parent) return false
    const [one, other] = [this.#setOf(child), this.#setOf(parent)]
    if (one !== other) this.#sets[one] = other
    else {
      this.#roots ??= new LinkCut(this.parents)
      if (this.#roots.rootOf(parent) === child) return false
    }
    this.parents[child] = parent
    this.#roots?.link(child, parent)
    return true
  }

  /** Takes a node from its parent. */
  cut(child: number): void {
    if (this.parents[child] === 0) return
    this.#roots?.cut(child)
    this.parents[child] = 0
  }

  #setOf(node: number): number {
    const sets = this.#sets
    let at = node
    while (sets[at] !== at) {
      sets[at] = sets[sets[at]!]!
      at = sets[at]!
    }
    return at
  }
}

/** Paths from the root down are kept as splay trees, ordered by depth, each hanging from the node above its path. */
class LinkCut {
  readonly #up: Uint32Array
  readonly #left: Uint32Array
  readonly #right: Uint32Array

  /** @param parents the trees as they are; each node begins as a path of its own */
  constructor(parents: Uint32Array) {
    this.#up = parents.slice()
    this.#left = new Uint32Array(parents.length)
    this.#right = new Uint32Array(parents.length)
  }

  rootOf(node: number): number {
    this.#access(node)
    let root = node
    while (this.#left[root] !== 0) root = this.#left[root]!
    this.#splay(root)
    return root
  }

  link(child: number, parent: number): void {
    this.#access(child)
    this.#up[child] = parent
  }

  cut(child: number): void {
    this.#access(child)
    const above = this.#left[child]!
    this.#up[above] = 0
    this.#left[child] = 0
  }

  /** Makes the path from the root to a node one splay tree, with the node on top. */
  #access(node: number): void {
    for (let at = node, below = 0; at !== 0; below = at, at = this.#up[at]!) {
      this.#splay(at)
      this.#right[at] = below
    }
    this.#splay(node)
  }

  #isTop(node: number): boolean {
    const above = this.#up[node]!
    return above === 0 || (this.#left[above] !== node && this.#right[above] !== node)
  }

  #splay(node: number): void {
    while (!this.#isTop(node)) {
      const above = this.#up[node]!
      if (!this.#isTop(above)) {
        const top = this.#up[above]!
        const isStraight = (this.#left[above] === node) === (this.#left[top] === above)
        this.#rotate(isStraight ? above : node)
      }
      this.#rotate(node)
    }
  }

  /** Changes places with the node above. */
  #rotate(node: number): void {
    const [up, left, right] = [this.#up, this.#left, this.#right]
    const above = up[node]!
    const top = up[above]!
    if (left[top] === above) left[top] = node
    else if (right[top] === above) right[top] = node
    const [near, far] = left[above] === node ? [left, right] : [right, left]
    const moved = far[node]!
    near[above] = moved
    if (moved !== 0) up[moved] = above
    far[node] = above
    up[above] = node
    up[node] = top
  }
}
