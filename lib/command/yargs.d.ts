/** The part of yargs 18 that usage.ts calls; the package ships no types of its own for Node. */
declare module 'yargs' {
  interface Parser {
    scriptName(name: string): Parser
    locale(name: string): Parser
    wrap(columns: number): Parser
    usage(text: string): Parser
    strictOptions(): Parser
    recommendCommands(): Parser
    help(enabled: false): Parser
    version(enabled: false): Parser
    exitProcess(enabled: boolean): Parser
    fail(told: (message: string | undefined, error: Error | undefined) => void): Parser
    option(name: string, about: object): Parser
    command(name: string, about: string): Parser
    getHelp(): Promise<string>
    parseAsync(argv: readonly string[]): Promise<unknown>
  }
  export default function yargs(): Parser
}
