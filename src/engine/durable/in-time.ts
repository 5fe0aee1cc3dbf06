/** Milliseconds that a handler has to come to what it has asked for before: its chains may compute something. */
const patience = [0, 10, 20, 40, 80, 160, 320]

/** Gives the chains of a handler their turn, and so much time while something is missing. @returns what is missing then. */
export async function inTime<T>(missing: () => T | undefined): Promise<T | undefined> {
  for (const ms of patience) {
    await new Promise((resolve) => {
      setTimeout(resolve, ms)
    })
    if (missing() === undefined) return undefined
  }
  return missing()
}
