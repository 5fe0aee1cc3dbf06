import { constants } from 'node:os'
import { styleText } from 'node:util'
import { explain } from './explain.ts'

/** The command line does not fit: shown with the usage, exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

type Interruption = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGPIPE'

/** Why a program's signal is aborted: it was asked to stop. */
class Interrupted extends Error {
  override name = 'Interrupted'
  readonly by: Interruption
  constructor(by: Interruption) {
    super(`interrupted by ${by}`)
    this.by = by
  }
}

export type Program = {
  usage: string
  /**
   * Does everything and cleans up after itself; resolves to the exit code.
   *
   * @param signal aborts on Ctrl-C and when the process is told to end.
   */
  main: (signal: AbortSignal) => Promise<number>
  /** Exit code after an interruption; default 128 and the signal's number. */
  interruptedCode?: number
}

/**
 * Runs a command-line program and ends the process.
 *
 * A second Ctrl-C changes nothing: npm passes on the one that the terminal has already sent, so the first press can
 * arrive twice.
 */
export async function runProgram({ usage, main, interruptedCode }: Program): Promise<never> {
  const controller = new AbortController()
  const interrupt = (by: Interruption) => controller.abort(new Interrupted(by))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => interrupt('SIGPIPE'))

  let code: number
  try {
    code = await main(controller.signal)
  } catch (error) {
    const { aborted, reason }: { aborted: boolean; reason: unknown } = controller.signal
    if (aborted && reason instanceof Interrupted) {
      code = interruptedCode ?? 128 + constants.signals[reason.by]
    } else {
      code = report(error, usage)
    }
  }
  process.exit(code)
}

function report(error: unknown, usage: string): number {
  const isUsage = isUsageError(error)
  console.error(styleText('red', explain(error), { stream: process.stderr }))
  if (isUsage) console.error(`\n${usage}`)
  return isUsage ? 2 : 1
}

function isUsageError(error: unknown): boolean {
  if (error instanceof UsageError) return true
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS_')
}
