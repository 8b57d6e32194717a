/** Going through the parts of a message: RFC 5703 §3. */
import type { CommandDefinition, Extension, Signal, Step } from '../definition.js'
import { descend, type PartCursor } from '../mime.js'
import type { Run } from '../run.js'

/** Loops within loops; each goes through the parts within the part that the one around it is at. */
const deepest = 4

const foreverypartCommand: CommandDefinition = {
  name: 'foreverypart',
  tags: [{ name: 'name', value: 'string', constant: true }],
  block: true,
  compile(call, scope) {
    const name = call.tagText('name')?.constant
    if (scope.loops.length >= deepest)
      scope.problems.error(call.at, `foreverypart loops may stand in each other at most ${deepest} deep`)
    scope.loops.push(name)
    const block = call.compileBlock()
    scope.loops.pop()
    return run => iterate(run, block, name)
  },
}

function iterate(run: Run, block: readonly Step[], name: string | undefined): Signal {
  const outer = run.part
  if (run.loops >= deepest) run.fail(`foreverypart loops stand in each other more than ${deepest} deep`)
  run.loops++
  try {
    return iterateParts(run, block, name)
  } finally {
    run.loops--
    run.part = outer
  }
}

function iterateParts(run: Run, block: readonly Step[], name: string | undefined): Signal {
  const outer = run.part
  for (const cursor of partsFor(run)) {
    run.part = cursor
    const signal = run.execute(block)
    run.part = outer
    if (!signal) continue
    const ours = typeof signal === 'object' && (signal.leaves === undefined || signal.leaves === name)
    return ours ? undefined : signal
  }
  return undefined
}

/** The message and all its parts; within another loop, the parts within its part. */
function partsFor(run: Run): readonly PartCursor[] {
  const { part } = run
  const version = part?.version ?? run.message
  const parts = part ? descend(part.part).slice(1) : descend(version.structure)
  return parts.map(each => ({ version, part: each }))
}

/** RFC 5703 §3.2. */
const breakCommand: CommandDefinition = {
  name: 'break',
  tags: [{ name: 'name', value: 'string', constant: true }],
  compile(call, scope) {
    const name = call.tagText('name')?.constant
    if (scope.loops.length === 0) scope.problems.error(call.at, 'break stands in no foreverypart loop')
    else if (name !== undefined && !scope.loops.includes(name))
      scope.problems.error(call.at, `break stands in no loop named "${name}"`)
    return () => ({ leaves: name })
  },
}

export const foreverypart: Extension = {
  name: 'foreverypart',
  commands: [foreverypartCommand, breakCommand],
}
