using Tessera.Testing;

namespace Tessera.Cli.Tests;

public class HelpTests
{
    [Fact]
    public void Help_names_every_command()
    {
        var help = CommandLineTool.Run("--help").Succeeded();
        foreach (var command in CommandLine.Root().Subcommands)
            Assert.Contains($"\n  {command.Name} ", help.Output, StringComparison.Ordinal);
        Assert.Contains("tessera [command]", help.Output, StringComparison.Ordinal);
        // A long first column would push every description out of sight.
        Assert.All(help.Output.Split('\n'), line => Assert.InRange(line.Length, 0, 250));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("models")]
    public void Help_and_models_start_with_little_work(string argument)
    {
        using var folder = new TempFolder();
        var methods = folder["methods.txt"];
        CommandLineTool
            .Run(
                Path.GetTempPath(),
                [argument],
                new Dictionary<string, string> { ["DOTNET_JitDisasmSummary"] = "1", ["DOTNET_JitStdOutFile"] = methods }
            )
            .Succeeded();
        // A start spends its time on compiling methods, some 550 of them; building one model takes 350 more.
        Assert.InRange(File.ReadLines(methods).Count(), 100, 700);
    }

    [Fact]
    public void Without_arguments_it_shows_help() =>
        Assert.Contains("Commands:", CommandLineTool.Run().Succeeded().Output, StringComparison.Ordinal);

    [Theory]
    [InlineData("train")]
    [InlineData("launch")]
    [InlineData("eval")]
    [InlineData("probe")]
    [InlineData("score")]
    [InlineData("index")]
    [InlineData("search")]
    [InlineData("predict")]
    [InlineData("explain")]
    [InlineData("compare")]
    [InlineData("compare-runs")]
    [InlineData("average")]
    [InlineData("inspect")]
    [InlineData("convert")]
    [InlineData("token-labels")]
    [InlineData("data")]
    [InlineData("models")]
    [InlineData("info")]
    [InlineData("bench")]
    [InlineData("completion")]
    public void Every_command_has_help_that_ends_with_examples(string command)
    {
        var help = CommandLineTool.Run(command, "--help").Succeeded().Output;
        Assert.Contains("--json", help, StringComparison.Ordinal);
        Assert.Contains("--quiet", help, StringComparison.Ordinal);
        Assert.Contains($"  tessera {command}", help, StringComparison.Ordinal);
        Assert.Contains($"tessera {command}", help[help.IndexOf("Examples:", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Fact]
    public void Help_and_models_do_not_load_the_engine()
    {
        foreach (
            var arguments in (string[][])
                [
                    ["--help"],
                    ["models"],
                    ["train", "--help"],
                ]
        )
        {
            var loaded = CommandLineTool
                .Run(Path.GetTempPath(), arguments, new Dictionary<string, string> { ["LD_DEBUG"] = "files" })
                .Error;
            Assert.Contains("libcoreclr", loaded, StringComparison.Ordinal);
            Assert.DoesNotContain("libtorch", loaded, StringComparison.Ordinal);
            Assert.DoesNotContain("libtessera", loaded, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_mistyped_command_is_answered_with_the_one_that_was_meant() =>
        Assert.Contains("did you mean train?", CommandLineTool.Run("trian").UserError(), StringComparison.Ordinal);

    [Fact]
    public void An_unknown_option_points_to_the_help_of_its_command()
    {
        var line = CommandLineTool.Run("models", "--cuont").UserError();
        Assert.Contains("did you mean --count?", line, StringComparison.Ordinal);
        Assert.Contains("tessera models --help", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data", "list")]
    [InlineData("data", "get")]
    [InlineData("data", "check")]
    [InlineData("index", "build")]
    [InlineData("index", "add")]
    [InlineData("index", "remove")]
    [InlineData("index", "search")]
    [InlineData("index", "eval")]
    [InlineData("index", "info")]
    public void Commands_below_others_have_help_of_their_own(string command, string below)
    {
        var help = CommandLineTool.Run(command, below, "--help").Succeeded().Output;
        Assert.Contains(
            $"tessera {command} {below} ",
            help[help.IndexOf("Examples:", StringComparison.Ordinal)..],
            StringComparison.Ordinal
        );
        Assert.Contains(
            $"tessera {command} {below} --help",
            CommandLineTool.Run(command, below, "--bogus").UserError(),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_missing_argument_is_an_error_of_one_line() =>
        Assert.Contains("tessera predict --help", CommandLineTool.Run("predict").UserError(), StringComparison.Ordinal);

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public void Completion_prints_a_script_for_the_shell(string shell) =>
        Assert.Contains("suggest", CommandLineTool.Run("completion", shell).Succeeded().Output, StringComparison.Ordinal);

    [Fact]
    public void Completion_knows_commands_and_models()
    {
        Assert.Contains("train", CommandLineTool.Run("[suggest:10]", "tessera tr").Succeeded().Lines);
        Assert.Contains("deit_tiny_patch16_224", CommandLineTool.Run("[suggest:20]", "tessera models deit_").Succeeded().Lines);
    }
}
