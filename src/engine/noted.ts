/** Milliseconds before a note that failed is tried again: what it would note has been paid, or done. */
const delays = [500, 2000]

/**
 * Writes down what has been done, again when the database fails for a moment.
 *
 * @returns what was written, and whether the first try wrote it: a later one may find what that one had done after all.
 * @throws Error of the last try, or of the first after `signal` has aborted.
 */
export async function noted<T>(
  signal: AbortSignal,
  write: () => Promise<T>,
): Promise<{ written: T; isFirst: boolean }> {
  for (const [index, delay] of [...delays, null].entries()) {
    try {
      return { written: await write(), isFirst: index === 0 }
    } catch (error) {
      if (delay === null || signal.aborted) throw error
      await new Promise((resolve) => setTimeout(resolve, delay))
    }
  }
  throw new Error('there is always a last try')
}
