const FUNCTIONS: Record<string, (...values: number[]) => number> = {
  pow: Math.pow,
  sqrt: Math.sqrt,
  abs: Math.abs,
  exp: Math.exp,
  floor: Math.floor,
  ceil: Math.ceil,
  round: Math.round,
  min: Math.min,
  max: Math.max,
}

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|([a-z]+)|([-+*/(),]))/iy

function tokenize(source: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  const text = source.trimEnd()
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (!match) throw new SyntaxError(`unexpected character at ${at} in "${source}"`)
    tokens.push(match[0].trim())
  }
  return tokens
}

/** Recursive descent over the tokens: sum, product, sign, value. */
class Parser {
  readonly #tokens: string[]
  readonly #variables: Record<string, number>
  #at = 0

  constructor(tokens: string[], variables: Record<string, number>) {
    this.#tokens = tokens
    this.#variables = variables
  }

  result(): number {
    const value = this.#sum()
    if (this.#at < this.#tokens.length) throw new SyntaxError(`unexpected "${this.#tokens[this.#at]}"`)
    return value
  }

  #take(...expected: string[]): string | undefined {
    const token = this.#tokens[this.#at]
    if (token === undefined || !expected.includes(token)) return undefined
    this.#at++
    return token
  }

  #expect(token: string): void {
    if (!this.#take(token)) {
      throw new SyntaxError(`expected "${token}", received "${this.#tokens[this.#at] ?? 'the end'}"`)
    }
  }

  #sum(): number {
    let value = this.#product()
    for (let sign = this.#take('+', '-'); sign; sign = this.#take('+', '-')) {
      const right = this.#product()
      value = sign === '+' ? value + right : value - right
    }
    return value
  }

  #product(): number {
    let value = this.#signed()
    for (let sign = this.#take('*', '/'); sign; sign = this.#take('*', '/')) {
      const right = this.#signed()
      value = sign === '*' ? value * right : value / right
    }
    return value
  }

  #signed(): number {
    const sign = this.#take('+', '-')
    if (!sign) return this.#value()
    return sign === '-' ? -this.#signed() : this.#signed()
  }

  #value(): number {
    if (this.#take('(')) {
      const value = this.#sum()
      this.#expect(')')
      return value
    }
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw new SyntaxError('expected a value, received the end')
    if (/^\d/.test(token)) return Number(token)
    if (Object.hasOwn(FUNCTIONS, token)) return this.#call(token)
    const variable = this.#variables[token]
    if (variable === undefined) throw new SyntaxError(`unknown name "${token}"`)
    return variable
  }

  #call(name: string): number {
    this.#expect('(')
    const values = [this.#sum()]
    while (this.#take(',')) values.push(this.#sum())
    this.#expect(')')
    return FUNCTIONS[name]?.(...values) ?? Number.NaN
  }
}

/**
 * The value of a retry delay expression such as `1000 * pow(2, retried)`.
 *
 * @throws SyntaxError when it is no such expression.
 */
export function evaluate(source: string, variables: Record<string, number>): number {
  return new Parser(tokenize(source), variables).result()
}
