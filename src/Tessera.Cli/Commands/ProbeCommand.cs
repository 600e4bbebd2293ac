using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Spectre.Console;
using Tessera.Cli.Inputs;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data.Sets;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Probes;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera probe</c>: measures the features of a model that stays as it is.</summary>
internal static class ProbeCommand
{
    private static readonly (string Name, ProbeKind Kind)[] kinds =
    [
        ("knn", ProbeKind.Knn),
        ("linear", ProbeKind.Linear),
        ("few-shot", ProbeKind.FewShot),
        ("fine-tune", ProbeKind.FineTune),
    ];

    private static readonly Option<string[]> Method = new("--method")
    {
        Description = "How: knn, linear, few-shot or fine-tune, several with commas; knn,linear by default.",
        HelpName = "names",
        CustomParser = result => [.. result.Tokens.SelectMany(token => Parts(token.Value))],
        DefaultValueFactory = _ => ["knn", "linear"],
    };
    private static readonly Option<string?> Data = new("--data")
    {
        Description = "Data set with classes; by default that of the run.",
        HelpName = "name",
    };
    private static readonly Option<string?> Root = new("--root") { Description = "Folder of the data set.", HelpName = "folder" };
    private static readonly Option<string?> Split = new("--split")
    {
        Description = "Split to measure on; by default that of the run, or test, or validation where there is no test split.",
        HelpName = "name",
    };
    private static readonly Option<int?> Limit = new("--limit")
    {
        Description = "Measure on at most this number of images, of all classes in proportion to their size (fine-tuning: on all).",
        HelpName = "images",
    };
    private static readonly Option<int?> TrainLimit = new("--train-limit")
    {
        Description = "Know at most this number of training images, of all classes in proportion to their size.",
        HelpName = "images",
    };
    private static readonly Option<int> Neighbors = new("--k")
    {
        Description = "Neighbours of weighted kNN.",
        HelpName = "number",
        DefaultValueFactory = _ => new ProbeOptions().Neighbors,
    };
    private static readonly Option<double> Temperature = new("--temperature")
    {
        Description = "What similarities are divided by in weighted kNN.",
        HelpName = "number",
        DefaultValueFactory = _ => new ProbeOptions().Temperature,
    };
    private static readonly Option<int> PlainNeighbors = new("--plain-k")
    {
        Description = "Neighbours of plain kNN.",
        HelpName = "number",
        DefaultValueFactory = _ => new ProbeOptions().PlainNeighbors,
    };
    private static readonly Option<string> Protocol = new("--protocol")
    {
        Description = "How linear classifiers are found: " + string.Join(", ", LinearProtocol.All.Select(protocol => protocol.Name)) + ".",
        DefaultValueFactory = _ => LinearProtocol.Cached.Name,
    };
    private static readonly Option<double?> Rate = new("--lr")
    {
        Description = "Learning rate of linear classifiers; by default that of the protocol.",
        HelpName = "number",
    };
    private static readonly Option<double?> Decay = new("--decay")
    {
        Description = "Weight decay of linear classifiers; by default that of the protocol, for lbfgs 1 over the number of samples.",
        HelpName = "number",
    };
    private static readonly Option<int?> Epochs = new("--epochs")
    {
        Description = "Passes over the features; by default those of the protocol.",
        HelpName = "number",
    };
    private static readonly Option<bool> Standardize = new("--standardize")
    {
        Description = "Bring each dimension of the features to mean 0 and deviation 1 for linear classifiers.",
    };
    private static readonly Option<string[]> Shots = new("--shots")
    {
        Description = "Images of every class that few-shot knows, several with commas; 1,5,10 by default.",
        HelpName = "numbers",
        CustomParser = result => [.. result.Tokens.SelectMany(token => Parts(token.Value))],
        DefaultValueFactory = _ => [.. new ProbeOptions().Shots.Select(count => count.ToString(CultureInfo.InvariantCulture))],
    };
    private static readonly Option<int> Draws = new("--draws")
    {
        Description = "How often few-shot draws them, at least 3.",
        HelpName = "number",
        DefaultValueFactory = _ => new ProbeOptions().Draws,
    };
    private static readonly Option<int> FineTuningEpochs = new("--fine-tune-epochs")
    {
        Description = "Epochs of fine-tuning.",
        HelpName = "number",
        DefaultValueFactory = _ => new ProbeOptions().FineTuningEpochs,
    };
    private static readonly Option<ulong> Seed = new("--seed")
    {
        Description = "Seed of orders, draws and initial weights.",
        HelpName = "number",
        DefaultValueFactory = _ => 0,
    };
    private static readonly Option<int?> Batch = new("--batch") { Description = "Images at a time.", HelpName = "images" };
    private static readonly Option<string?> Type = new("--precision")
    {
        Description = "Type of the model's products, fp32 or bf16; by default that of the run.",
        HelpName = "type",
    };
    private static readonly Option<string?> Page = new("--page")
    {
        Description = "Also write an HTML page with the figures, and images beside those whose features are most like theirs.",
        HelpName = "file",
    };

    internal static Command Create()
    {
        Type.AcceptOnlyFromAmong("fp32", "bf16");
        Protocol.AcceptOnlyFromAmong([.. LinearProtocol.All.Select(protocol => protocol.Name)]);
        Method.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string[]>()!.FirstOrDefault(name => kinds.All(kind => kind.Name != name)) is { } unknown)
                result.AddError($"--method must be {string.Join(", ", kinds.Select(kind => kind.Name))}, not '{unknown}'");
        });
        foreach (var option in (Option[])[Limit, TrainLimit, Neighbors, PlainNeighbors, Epochs, FineTuningEpochs, Batch])
            Least(option, 1);
        Least(Draws, 3);
        Positive(Temperature, 0, including: false);
        Positive(Rate, 0, including: false);
        Positive(Decay, 0, including: true);
        Shots.Validators.Add(result =>
        {
            var given = result.GetValueOrDefault<string[]>() ?? [];
            if (given.Length == 0 || given.FirstOrDefault(part => Whole(part) is not >= 1) is { })
                result.AddError(
                    "--shots must be whole numbers of at least 1 with commas between them, as in 1,5,10, "
                        + $"not '{string.Join(',', given)}'"
                );
        });
        var command = new ExampleCommand("probe", "Measure the features of a pre-trained model, which stays as it is, by labelled images.")
        {
            Examples =
            [
                ("tessera probe runs/simclr", "kNN and a linear classifier on the data of the run"),
                (
                    "tessera probe runs/pictures --data image_folder --root pets",
                    "measure what was learnt without labels on labelled images"
                ),
                ("tessera probe runs/simclr --method few-shot --shots 1,10,50 --draws 5", "know only some images of every class"),
                ("tessera probe runs/simclr --protocol lbfgs --standardize", "logistic regression on standardised features"),
                (
                    "tessera probe runs/simclr --method knn,linear,fine-tune --page probe.html",
                    "also train the whole network, and write a page"
                ),
                ("tessera probe resnet50 --checkpoint moco_v2_800ep_pretrain.pth.tar --data cifar10", "measure published weights"),
                ("tessera probe runs/simclr --json | jq .knn_top1", "print the accuracy as a fraction"),
            ],
            Options =
            {
                Method,
                Data,
                Root,
                Split,
                Limit,
                TrainLimit,
                Neighbors,
                Temperature,
                PlainNeighbors,
                Protocol,
                Rate,
                Decay,
                Epochs,
                Standardize,
                Shots,
                Draws,
                FineTuningEpochs,
                Seed,
                Batch,
                Type,
                Page,
            },
        };
        ModelSource.AddTo(command);
        command.SetAction(Probe);
        return command;
    }

    private static IEnumerable<string> Parts(string text) =>
        text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static int? Whole(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static void Least(Option option, int least) =>
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is { } number && number < least)
                result.AddError($"{option.Name} must be at least {least}");
        });

    private static void Positive(Option option, double least, bool including) =>
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is { } number && !(number > least || (including && number == least)))
                result.AddError($"{option.Name} must be {(including ? "at least" : "above")} {least}");
        });

    private static void Probe(ParseResult parsed)
    {
        var terminal = parsed.Terminal();
        using var interruption = new Interruption();
        var probe = Open(parsed, interruption.Token);
        ModelLoading.ShowNotes(probe.Bundle.Notes, terminal);
        var options = Options(parsed);
        Precision? precision = parsed.GetValue(Type) switch
        {
            "bf16" => Precision.Bf16,
            "fp32" => Precision.Fp32,
            _ => null,
        };
        Torch.Threads = ThreadLimit.Here.Count;
        ProbeResult Run(Action<string>? told) => probe.Run(options, precision, parsed.GetValue(Batch), told, interruption.Token);
        var result = terminal.IsDrawn
            ? terminal.Drawing.Status().Start("Probing ...", status => Run(what => status.Status = $"Probing ... {Markup.Escape(what)}"))
            : Run(null);
        var facts = FactsOf(probe, options);
        Show(terminal, probe, result, facts);
        // The result comes first: a file that cannot be written must not take it along.
        if (parsed.GetValue(Page) is { } page)
        {
            var title = $"{probe.Bundle.Content.Model.Title} on {probe.Test.Name}";
            AtomicFile.Write(
                page,
                Encoding.UTF8.GetBytes(ProbePage.Render(title, result, facts.Select(fact => (fact.Title, fact.Text)), probe.Pictures()))
            );
            terminal.Note($"page  {page}");
        }
    }

    private static FeatureProbe Open(ParseResult parsed, CancellationToken stop)
    {
        var part = new MeasuredPart(parsed.GetValue(Data), parsed.GetValue(Root), parsed.GetValue(Split), parsed.GetValue(Limit));
        var most = parsed.GetValue(TrainLimit);
        return ModelSource.Open(
            parsed,
            (folder, bundle) => FeatureProbe.OfRun(folder, bundle, part, most, stop),
            (variant, file, classes, device) =>
                classes is not null
                    ? throw new UserException("--classes must be left out: the classes are those of the data, whatever the weights know")
                : part.Name is null
                    ? throw new UserException(
                        $"--data is required for model {variant.Name}: choose one of {string.Join(", ", Datasets.Kinds.Keys.Order())}"
                    )
                : FeatureProbe.OfWeights(variant, file, part, most, device, stop)
        );
    }

    private static ProbeOptions Options(ParseResult parsed)
    {
        var protocol = LinearProtocol.All.Single(one => one.Name == parsed.GetRequiredValue(Protocol));
        return new()
        {
            Kinds = [.. parsed.GetRequiredValue(Method).Select(name => kinds.Single(kind => kind.Name == name).Kind).Distinct()],
            Neighbors = parsed.GetRequiredValue(Neighbors),
            Temperature = parsed.GetRequiredValue(Temperature),
            PlainNeighbors = parsed.GetRequiredValue(PlainNeighbors),
            Linear = protocol with
            {
                LearningRate = parsed.GetValue(Rate) ?? protocol.LearningRate,
                Decay = parsed.GetValue(Decay) ?? protocol.Decay,
                Epochs = parsed.GetValue(Epochs) ?? protocol.Epochs,
                Standardize = parsed.GetValue(Standardize),
            },
            Shots = [.. parsed.GetRequiredValue(Shots).Select(part => Whole(part)!.Value)],
            Draws = parsed.GetRequiredValue(Draws),
            FineTuningEpochs = parsed.GetRequiredValue(FineTuningEpochs),
            Seed = parsed.GetRequiredValue(Seed),
        };
    }

    private static (string Name, string Title, string Text, JsonNode? Value)[] FactsOf(FeatureProbe probe, ProbeOptions options)
    {
        static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
        var (linear, hash) = (options.Linear, probe.Hash());
        return
        [
            ("data", "data", probe.Test.Name, probe.Test.Name),
            ("train_split", "training split", probe.Training.Split, probe.Training.Split),
            ("split", "measured split", probe.Test.Split, probe.Test.Split),
            ("method", "trained by", probe.Method ?? "unknown", probe.Method),
            ("trained_epochs", "trained epochs", probe.TrainedEpochs is { } epochs ? Text(epochs) : "unknown", probe.TrainedEpochs),
            ("weights", "weights", probe.Bundle.Source, probe.Bundle.Source),
            ("backbone", "SHA-256 of the model, before and after", hash, hash),
            ("features", "features", "what a classifier would see", "pooled"),
            ("protocol", "linear classifiers", Text($"{linear.Name}, lr {linear.LearningRate}, {linear.Epochs} epochs"), linear.Name),
            ("standardized", "standardised features", linear.Standardize ? "yes" : "no", linear.Standardize),
            ("seed", "seed", Text(options.Seed), options.Seed),
        ];
    }

    private static void Show(
        Terminal terminal,
        FeatureProbe probe,
        ProbeResult result,
        (string Name, string Title, string Text, JsonNode? Value)[] facts
    )
    {
        if (terminal.Json)
        {
            var json = new JsonObject();
            foreach (var (figure, value) in result.Scalars)
                json[figure] = value;
            foreach (var (name, _, _, value) in facts)
                json[name] = value;
            json["preparation"] = Terminal.ToJson(Preparation.Of(probe.PipelineFor(probe.Test)));
            json["remarks"] = Terminal.ToJson(probe.Remarks);
            json["probe"] = Terminal.ToJson(result.ToJson(probe.Training.ClassNames));
            Terminal.WriteJson(json);
            return;
        }
        var table = MetricsTable.Create($"{probe.Test.Name} ({probe.Test.Split})");
        MetricsTable.AddTo(table, result, "measured images");
        table.Show(terminal);
        if (terminal.Quiet)
            return;
        terminal.Note($"prepared by  {Preparation.Of(probe.PipelineFor(probe.Test))}");
        foreach (var remark in probe.Remarks)
            terminal.Note(remark);
    }
}
