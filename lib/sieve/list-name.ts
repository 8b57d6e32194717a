/** RFC 6134 §2.4: `:name` is short for the registered URN. */
export function listName(name: string): string {
  return name.startsWith(':') ? `urn:ietf:params:sieve${name}` : name
}
