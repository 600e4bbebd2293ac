using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Search;
using Tessera.Search.Costs;
using Tessera.Search.Measuring;
using Tessera.Search.Statistics;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search measure</c>: measures the parts of a space on this machine.</summary>
internal static class SearchMeasureCommand
{
    // Of lines where nothing is drawn live.
    private static readonly TimeSpan between = TimeSpan.FromSeconds(10);

    private static readonly Argument<string> Recipe = new("recipe")
    {
        HelpName = "recipe",
        Description = "Recipe file of a search, which has the space.",
    };

    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "Set a field of the recipe; can be repeated.",
        HelpName = "field=value",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<string> Out = new("--out")
    {
        Description = "File of the table; one that is there is gone on with.",
        HelpName = "file",
        Required = true,
    };

    private static readonly Option<int> Threads = Number("--threads", "Threads of an operator.", "threads", 1);
    private static readonly Option<int> Batch = Number("--batch", "Images of a batch.", "images", 1);
    private static readonly Option<int> Shapes = Number(
        "--shapes",
        "Most parts that are measured, up to 300.",
        "parts",
        MeasuringOptions.MostShapes
    );

    private static readonly Option<double> Seconds = new("--seconds")
    {
        Description = "Most time for the runs of a part; five runs are made in any case.",
        HelpName = "seconds",
        DefaultValueFactory = _ => 0.7,
    };

    private static readonly Option<string> PrecisionName = Choice("--precision", "Type of the products.", "fp32", "bf16");
    private static readonly Option<string> Engine = Choice("--engine", "What runs the networks.", "compiled", "eager");

    private static readonly Option<int?> Check = new("--check")
    {
        Description = "Then measure so many random networks whole beside their prediction.",
        HelpName = "networks",
    };

    internal static Command Create()
    {
        foreach (var option in (Option[])[Threads, Batch, Shapes])
            IndexCommand.AtLeast(option, 1);
        IndexCommand.AtLeast(Check, 2);
        Seconds.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (>= 0 and <= 3600))
                result.AddError("--seconds must be from 0 to 3600");
        });
        Shapes.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() > MeasuringOptions.MostShapes)
                result.AddError($"--shapes must be at most {MeasuringOptions.MostShapes}");
        });
        var command = new ExampleCommand(
            "measure",
            "Measure the parts of a space on this machine, by which a search knows the latency of its networks. Ctrl-C keeps what it has."
        )
        {
            Examples =
            [
                ("tessera search measure my.yaml --out table.json", "measure compiled networks in float32 on one thread"),
                ("tessera search measure my.yaml --out table.json --check 50", "then compare 50 random networks with their prediction"),
                ("tessera search measure my.yaml --out bf16.json --precision bf16 --threads 2 --batch 8", "measure another way of running"),
                (
                    "tessera search my.yaml --set budget.latency_table=table.json --set 'budget.latency_ms=[8]'",
                    "search for a network of at most 8 milliseconds"
                ),
            ],
            Arguments = { Recipe },
            Options = { Set, Out, Threads, Batch, PrecisionName, Engine, Shapes, Seconds, Check },
        };
        command.SetAction(Run);
        return command;
    }

    private static Option<int> Number(string name, string description, string of, int usual) =>
        new(name)
        {
            Description = description,
            HelpName = of,
            DefaultValueFactory = _ => usual,
        };

    private static Option<string> Choice(string name, string description, params string[] values)
    {
        var option = new Option<string>(name)
        {
            Description = description,
            HelpName = string.Join('|', values),
            DefaultValueFactory = _ => values[0],
        };
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    private static void Run(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var recipe = SearchRecipe.Load(RecipeFinder.Find(parsed.GetRequiredValue(Recipe)), parsed.GetValue(Set)!);
        var settings = new LatencySettings(
            parsed.GetRequiredValue(Engine) == "eager" ? LatencyEngine.Eager : LatencyEngine.Compiled,
            parsed.GetRequiredValue(PrecisionName) == "bf16" ? Precision.Bf16 : Precision.Fp32,
            parsed.GetValue(Threads),
            parsed.GetValue(Batch)
        );
        if (settings.Threads > ThreadLimit.Processors)
            throw new UserException($"--threads must be at most {ThreadLimit.Processors}, the processors of this machine");
        var path = parsed.GetRequiredValue(Out);
        var measurement = new SpaceMeasurement(
            recipe,
            new(settings, parsed.GetValue(Shapes), Budget: TimeSpan.FromSeconds(parsed.GetValue(Seconds)))
        );
        var table = Shown(terminal, "measured", told => measurement.Run(path, told, interruption.Token));
        var networks = parsed.GetValue(Check) is { } count
            ? Shown(terminal, "checked", told => measurement.Check(table, count, told, interruption.Token))
            : null;
        if (!terminal.Quiet)
            terminal.Heading($"Parts of networks: {settings}");
        Show(terminal, path, table, networks);
    }

    private static T Shown<T>(Terminal terminal, string verb, Func<Action<MeasuringProgress>, T> work)
    {
        T? result = default;
        var last = Stopwatch.GetTimestamp();
        if (terminal.IsDrawn)
            terminal.Drawing.Status().Start($"{verb} ...", status => result = work(told => status.Status = Markup.Escape(Text(told))));
        else
            result = work(told =>
            {
                if (Stopwatch.GetElapsedTime(last) < between)
                    return;
                last = Stopwatch.GetTimestamp();
                terminal.Note(Text(told));
            });
        return result!;

        string Text(MeasuringProgress told) =>
            $"{verb} {told.Done} of {told.All}{(told.Left is { } left ? $", about {Figures.Time(left)} left" : "")}";
    }

    private static void Show(Terminal terminal, string path, LatencyTable table, IReadOnlyList<MeasuredNetwork>? networks)
    {
        var held = new LatencyModel(table).HeldOutErrors;
        double[] errors = networks is null ? [] : [.. networks.Select(one => Math.Abs(one.Error)).Order()];
        double? correlation = networks is null
            ? null
            : RankCorrelation.Spearman([.. networks.Select(one => one.Predicted)], [.. networks.Select(one => one.Measured)]);
        double? tau = networks is null
            ? null
            : RankCorrelation.Kendall([.. networks.Select(one => one.Predicted)], [.. networks.Select(one => one.Measured)]);
        if (terminal.Json)
        {
            Terminal.WriteJson(
                new
                {
                    Table = path,
                    Parts = table.Entries.Count,
                    table.ReferenceMs,
                    table.Scale,
                    HeldOutMedian = held.Count > 0 ? At(held, 0.5) : (double?)null,
                    HeldOutP90 = held.Count > 0 ? At(held, 0.9) : (double?)null,
                    ErrorMedian = errors.Length > 0 ? At(errors, 0.5) : (double?)null,
                    ErrorP90 = errors.Length > 0 ? At(errors, 0.9) : (double?)null,
                    ErrorMost = errors.Length > 0 ? errors[^1] : (double?)null,
                    Spearman = correlation,
                    Kendall = tau,
                    Networks = networks,
                }
            );
            return;
        }
        if (terminal.Quiet)
        {
            Terminal.Result(path);
            return;
        }
        List<(string, string)> facts =
        [
            ("table", path),
            ("parts", table.Entries.Count.ToString(CultureInfo.InvariantCulture)),
            (
                "reference",
                string.Create(CultureInfo.InvariantCulture, $"{table.ReferenceMs:0.000} ms, {BlockShape.Copies} times {table.Reference}")
            ),
            ("whole", string.Create(CultureInfo.InvariantCulture, $"{table.Scale:0.000} times the sum of the parts")),
        ];
        if (held.Count > 0)
            facts.Add(("held out", $"parts are predicted by the others within {Quantiles(held)}"));
        if (networks is not null)
        {
            facts.Add(("checked", $"{networks.Count} networks are predicted within {Quantiles(errors)}"));
            facts.Add(
                ("order", string.Create(CultureInfo.InvariantCulture, $"Spearman's rho {correlation:0.0000}, Kendall's tau {tau:0.0000}"))
            );
        }
        FactList.Show(facts, terminal);
    }

    private static string Quantiles(IReadOnlyList<double> errors) =>
        $"{Figures.Percent(At(errors, 0.5))} (half of them), {Figures.Percent(At(errors, 0.9))} (nine of ten), "
        + $"{Figures.Percent(errors.Max())} (all)";

    private static double At(IReadOnlyList<double> errors, double share) =>
        errors.Order().ElementAt((int)Math.Ceiling(share * errors.Count) - 1);
}
