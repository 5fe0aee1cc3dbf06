const quotes = [`'`, '`', '"']

/**
 * Writes bindings as a `.env` file that wrangler reads back as they are.
 *
 * @throws Error for a value that contains every kind of quote.
 */
export const toEnvFile = (bindings: Record<string, string>): string =>
  Object.entries(bindings)
    .map(([name, value]) => `${name}=${quote(name, value)}\n`)
    .join('')

function quote(name: string, value: string): string {
  const mark = quotes.find((mark) => !value.includes(mark))
  if (mark === undefined) throw new Error(`${name} contains every kind of quote`)
  // wrangler expands $NAME, also in quotes.
  return mark + value.replaceAll('$', String.raw`\$`) + mark
}
