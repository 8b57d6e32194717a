/** Which mailboxes LIST, LSUB and XLIST name, and with which attributes (RFC 3501 §6.3.8–9, RFC 5258, RFC 6154). */
import type { ImapFolder } from './backend.js'
import { compareNames, parentsOf, patternTest } from './pattern.js'

/** What LIST asks, decoded. */
export interface ListRequest {
  /** Reference and pattern put together. */
  readonly patterns: readonly string[]
  /** Only these: SUBSCRIBED, SPECIAL-USE. */
  readonly selection: readonly Selection[]
  /** Also parents of what is selected. */
  readonly recursive: boolean
  /** Whether the client writes RFC 5258's form, and so knows \NonExistent and \Subscribed. */
  readonly extended: boolean
  readonly tellSubscribed: boolean
}

export type Selection = 'SUBSCRIBED' | 'SPECIAL-USE'

export interface ListEntry {
  readonly name: string
  readonly attributes: readonly string[]
  /** Whether a STATUS goes with it where one is asked for: not with a parent that is named for its children alone. */
  readonly hasStatus: boolean
  /** The selections that something below it meets (CHILDINFO). */
  readonly childInfo: readonly Selection[]
}

interface Node {
  name: string
  exists: boolean
  selectable: boolean
  subscribed: boolean
  specialUse: string | undefined
  hasChildren: boolean
}

/** @param subscriptions all subscribed names, also those that do not exist */
export function listEntries(
  folders: readonly ImapFolder[],
  subscriptions: readonly string[],
  request: ListRequest,
): ListEntry[] {
  const nodes = [...tree(folders, subscriptions).values()].sort((a, b) => compareNames(a.name, b.name))
  const tests = request.patterns.map(patternTest)
  const isAsked = (node: Node) => tests.some(test => test(node.name))
  const { selection } = request
  const meets = (node: Node, which: Selection) =>
    which === 'SUBSCRIBED' ? node.subscribed : node.specialUse !== undefined
  const isSelected = (node: Node) =>
    selection.length === 0 ? node.exists : selection.every(which => meets(node, which))
  const below = request.recursive ? selectedBelow(nodes, selection, meets, isAsked) : undefined

  const entries: ListEntry[] = []
  for (const node of nodes) {
    if (!isAsked(node)) continue
    const info = below?.get(node.name)
    if (!isSelected(node) && !info?.unseen) continue
    entries.push({
      name: node.name,
      attributes: attributesOf(node, request),
      hasStatus: node.selectable && isSelected(node),
      childInfo: info?.met ?? [],
    })
  }
  return entries
}

function tree(folders: readonly ImapFolder[], subscriptions: readonly string[]): Map<string, Node> {
  const nodes = new Map<string, Node>()
  const nodeOf = (name: string): Node => {
    const node = nodes.get(name) ?? {
      name,
      exists: false,
      selectable: false,
      subscribed: false,
      specialUse: undefined,
      hasChildren: false,
    }
    nodes.set(name, node)
    return node
  }
  for (const { name, selectable, specialUse } of folders) {
    Object.assign(nodeOf(name), { exists: true, selectable, specialUse })
    for (const parent of parentsOf(name)) Object.assign(nodeOf(parent), { exists: true, hasChildren: true })
  }
  for (const name of subscriptions) {
    nodeOf(name).subscribed = true
    for (const parent of parentsOf(name)) nodeOf(parent)
  }
  return nodes
}

interface Below {
  readonly met: readonly Selection[]
  /** Whether one of them is not listed itself, so that only its parent tells of it. */
  readonly unseen: boolean
}

function selectedBelow(
  nodes: readonly Node[],
  selection: readonly Selection[],
  meets: (node: Node, which: Selection) => boolean,
  isAsked: (node: Node) => boolean,
): Map<string, Below> {
  const below = new Map<string, Below>()
  for (const node of nodes) {
    const met = selection.filter(which => meets(node, which))
    if (met.length < selection.length) continue
    for (const parent of parentsOf(node.name))
      below.set(parent, { met, unseen: !isAsked(node) || below.get(parent)?.unseen === true })
  }
  return below
}

function attributesOf(node: Node, { extended, tellSubscribed, selection }: ListRequest): string[] {
  const attributes: string[] = []
  if (!node.exists && extended) attributes.push('\\NonExistent')
  if (!node.selectable) attributes.push('\\Noselect')
  attributes.push(node.hasChildren ? '\\HasChildren' : '\\HasNoChildren')
  if (node.subscribed && (tellSubscribed || selection.includes('SUBSCRIBED'))) attributes.push('\\Subscribed')
  if (node.specialUse !== undefined) attributes.push(...node.specialUse.split(' '))
  return attributes
}

/**
 * LSUB: subscribed names that match. With `%`, a name above a subscribed one is named as \Noselect when it is not
 * subscribed itself (RFC 3501 §6.3.9), so that a client can walk down level by level.
 */
export function subscribedEntries(
  subscriptions: readonly string[],
  pattern: string,
): { name: string; attributes: string[] }[] {
  const test = patternTest(pattern)
  const subscribed = new Set(subscriptions)
  const found = new Set<string>()
  for (const name of subscribed) {
    if (test(name)) found.add(name)
    else if (pattern.includes('%')) for (const parent of parentsOf(name)) if (test(parent)) found.add(parent)
  }
  return [...found]
    .sort(compareNames)
    .map(name => ({ name, attributes: subscribed.has(name) ? [] : ['\\Noselect'] }))
}
