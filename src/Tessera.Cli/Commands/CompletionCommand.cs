using System.CommandLine;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera completion</c>: scripts that let a shell complete commands, options and names.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _tessera() {
            local IFS=$'\n'
            COMPREPLY=($("${COMP_WORDS[0]}" "[suggest:$COMP_POINT]" "$COMP_LINE" 2> /dev/null))
            # Fall back to file names.
            if ((${#COMPREPLY[@]} == 0)); then COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")); fi
        }
        complete -o filenames -F _tessera tessera ./tessera
        """;

    private const string Zsh = """
        _tessera() {
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:$CURSOR]" "$BUFFER" 2> /dev/null)}")
            if [[ -n "$found" ]]; then compadd -a found; else _files; fi
        }
        compdef _tessera tessera ./tessera
        """;

    private const string Fish = """
        complete -c tessera -a "(tessera '[suggest:'(commandline -C)']' (commandline) 2> /dev/null)"
        """;

    private static readonly Argument<string> Shell = new Argument<string>("shell")
    {
        Description = "bash, zsh or fish.",
        HelpName = "shell",
    }.AcceptOnlyFromAmong("bash", "zsh", "fish");

    internal static Command Create()
    {
        var command = new ExampleCommand("completion", "Print a script that lets a shell complete commands, options and model names.")
        {
            Examples =
            [
                ("source <(./tessera completion bash)", "enable in this shell; put it into ~/.bashrc for every shell"),
                ("./tessera completion fish | source", "enable in fish"),
            ],
            Arguments = { Shell },
        };
        command.SetAction(parsed =>
            Terminal.Script(
                parsed.GetRequiredValue(Shell) switch
                {
                    "bash" => Bash,
                    "zsh" => Zsh,
                    _ => Fish,
                }
            )
        );
        return command;
    }
}
