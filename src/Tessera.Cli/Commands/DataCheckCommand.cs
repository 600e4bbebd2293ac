using System.CommandLine;
using System.Text;
using Spectre.Console;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data.Checks;
using Tessera.Data.Downloads;
using Tessera.Data.Sets;
using Tessera.Training.Reports;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera data check</c>: says everything about a data set before a training.</summary>
internal static class DataCheckCommand
{
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DrawnInterval = TimeSpan.FromMilliseconds(100);

    private static readonly Option<bool> Quick = new("--quick")
    {
        Description = "Decode and hash nothing: splits, classes, names and links only, and what files of label maps say of themselves.",
    };
    private static readonly Option<string?> Page = new("--page")
    {
        Description = "Also write an HTML page with charts and pictures.",
        HelpName = "file",
    };

    internal static Command Create(Argument<string> name, Option<string?> root)
    {
        var command = new ExampleCommand(
            "check",
            "Say everything about a data set before a training: splits, classes, repeated and unreadable images, label maps, boxes, sizes, "
                + "names."
        )
        {
            Examples =
            [
                ("tessera data check image_folder --root /data/birds", "check a folder of images of your own"),
                ("tessera data check image_folder --root /data/birds --page birds.html", "write a page with charts and pictures, too"),
                ("tessera data check multi_label --root /data/scenes --quick", "decode and hash nothing"),
                ("tessera data check fashion_mnist", "verify the checksums of a published set as well"),
                ("tessera data check cifar10 --json | jq .problems", "print JSON for a program"),
            ],
            Arguments = { name },
            Options = { root, Quick, Page },
        };
        command.SetAction(parsed =>
            Check(
                parsed.Terminal(),
                Datasets.Find(parsed.GetRequiredValue(name)),
                parsed.GetValue(root),
                new(parsed.GetValue(Quick)),
                parsed.GetValue(Page)
            )
        );
        return command;
    }

    private static void Check(Terminal terminal, DatasetKind kind, string? root, CheckOptions options, string? page)
    {
        if (kind.IsOwn && root is null)
            throw new UserException($"{kind.Name} is data of your own: --root must name its folder");
        using var interruption = new Interruption();
        var place = DataCommand.Place(kind, root);
        if (!options.Quick)
            DatasetDownload.CompareChecksums(kind.Name, place);
        var opened = OpenedSplits.Open(kind.Name, place);
        var report = terminal.IsDrawn
            ? terminal
                .Drawing.Status()
                .Start($"Checking {kind.Name} ...", status => Run(line => status.Status = Markup.Escape(line), DrawnInterval))
            : Run(terminal.Note, PlainInterval);
        Show(terminal, report, page);
        // The report comes first: a page that cannot be written must not take it along.
        if (page is not null)
        {
            AtomicFile.Write(page, Encoding.UTF8.GetBytes(DataCheckPage.Render(report, opened)));
            terminal.Note($"page  {page}");
        }
        if (report.Of(Severity.Problem) is [var first, ..] problems)
            throw new UserException(
                $"{report.Name}: {(problems.Count == 1 ? "a problem" : $"{problems.Count} problems")} would make a training fail"
                    + $"{(problems.Count == 1 ? "" : "; the first")}: {(first.Split is { } split ? $"{split}: " : "")}{first.Text}"
            );

        CheckReport Run(Action<string> write, TimeSpan interval) =>
            DatasetCheck.Run(opened, options, progress: new CheckView(write, interval, TimeProvider.System), stop: interruption.Token);
    }

    private static void Show(Terminal terminal, CheckReport report, string? page)
    {
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    report.Name,
                    Folder = report.Root,
                    report.Quick,
                    report.Training,
                    Parts = report.Splits.ToDictionary(split => split.Name, split => split.Samples),
                    Problems = Plain(Severity.Problem),
                    Warnings = Plain(Severity.Warning),
                    Remarks = Plain(Severity.Remark),
                    report.Splits,
                    report.Repeats,
                    Page = page,
                }
            );
            return;
        }
        if (terminal.Quiet)
        {
            foreach (var split in report.Splits)
                Terminal.Result($"{split.Name}\t{split.Samples}");
            return;
        }
        CheckTables.Show(terminal, report);

        // The list that a finding stands in says how severe it is.
        IEnumerable<object> Plain(Severity severity) =>
            report
                .Of(severity)
                .Select(finding => new
                {
                    finding.Split,
                    finding.Text,
                    finding.Count,
                    finding.Examples,
                });
    }
}
