using System.ComponentModel.DataAnnotations;
using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Outside;
using Tessera.Testing;
using Tessera.Training.Optimization;

namespace Tessera.Training.Tests;

/// <summary>Parts that another assembly, which sees nothing internal, adds to recipes: a model, data, a task, a method and more.</summary>
[Collection("engine")]
public sealed class OwnPartsTests : IDisposable
{
    private const string Yaml = """
        model: dot_net
        data: { name: shapes, batch: 8 }
        task: sides
        augment: [ negative: 0.25, random_horizontal_flip: 0 ]
        objective: { name: margin_learning, margin: 2 }
        auxiliary_losses: [ short_features: 0.001 ]
        optimizer: { name: sign_descent, lr: 0.02 }
        schedule: { name: halving, epochs: 4 }
        train: { threads: 1, log_every: 2 }
        """;

    private readonly TempFolder folder = new();

    // The registries belong to the process; a test must not depend on another one having added something.
    static OwnPartsTests()
    {
        Registry.Add(DotNet.Variant);
        Datasets.Add(Shapes.Kind);
        RecipeParts.Register(typeof(SidesTask).Assembly);
    }

    public void Dispose() => folder.Dispose();

    private static Recipe InCode =>
        new()
        {
            Model = new(DotNet.Name),
            Data = new("shapes") { Batch = 8 },
            Task = new SidesTask(),
            Augment = [new Negative(0.25), new RandomHorizontalFlip(0)],
            Objective = new MarginOptions(Margin: 2),
            AuxiliaryLosses = [new ShortFeaturesOptions()],
            Optimizer = new SignDescentOptions(LearningRate: 0.02),
            Schedule = new HalvingOptions(Epochs: 4),
            Train = new(Threads: 1, LogEvery: 2),
        };

    [Fact]
    public void A_run_of_own_parts_is_trained_by_recipe_and_by_code_loaded_back_and_predicted_with()
    {
        var file = folder.Write("r.yaml", Yaml);
        Assert.Equal(Recipe.Load(file).ToYaml(), InCode.ToYaml());
        double last;
        using (var experiment = Experiment.Begin(file, [], folder["by_file"]))
            last = Right(experiment.Train().Last);
        using (var experiment = Experiment.Begin(InCode, folder["by_code"]))
            Assert.Equal(last, Right(experiment.Train().Last));
        using (var again = Experiment.Resume(folder["by_code"]))
            Assert.Equal(last, Right(again.Train().Last));
        Assert.InRange(last, 0.9, 1);

        using var scope = new Scope();
        var bundle = ModelBundle.Load(folder["by_code"]);
        Assert.IsType<DotNet>(bundle.Model);
        Assert.Equal(new SidesTask(), bundle.Task);
        Assert.Equal(last, Right(BundleMeasurement.OfRun(folder["by_code"], bundle, new()).Run()));
        byte[] pixels = [.. Enumerable.Range(0, 8 * 8).SelectMany(i => Enumerable.Repeat((byte)(i % 2 == 0 ? 220 : 50), 3))];
        Assert.Equal("standing", bundle.Predict(folder.Write("standing.ppm", Pnm.Pixels(8, 8, pixels))).Classes[0].Class);
        var log = RunLog.Read(new RunFolder(folder["by_code"]).LogPath).First(line => (string?)line["kind"] == "step");
        Assert.True((double)log["short_features"]! > 0);
        Assert.True((double)log["margin"]! > 0);
        Assert.Contains("one side each", File.ReadAllText(new RunFolder(folder["by_code"]).ReportPath), StringComparison.Ordinal);
    }

    private static double Right(Metrics? metrics) => ((SidesMetrics)metrics!).Right;

    [Theory]
    [InlineData("objective.margin=3", "margin: 3")]
    [InlineData("objective.remark=a: b, c", "remark: \"a: b, c\"")]
    [InlineData("task.unit=half", "unit: half")]
    [InlineData("auxiliary_losses.0.short_features.weight=0.5", "weight: 0.5")]
    [InlineData("augment.0.negative.probability=0.125", "probability: 0.125")]
    public void Single_fields_of_own_parts_can_be_set(string setting, string written) =>
        Assert.Contains(written, Recipe.Parse(Yaml, "r.yaml", setting).ToYaml(), StringComparison.Ordinal);

    [Fact]
    public void Ranges_and_names_of_own_parts_are_checked_like_ours()
    {
        string Refused(string setting) => Assert.Throws<RecipeException>(() => Recipe.Parse(Yaml, "r.yaml", setting)).Message;
        Assert.Equal("--set objective.margin=300: objective.margin: must be 0 to 100, not 300", Refused("objective.margin=300"));
        Assert.Equal(
            "--set objective.name=margin_learnin: objective: 'margin_learnin' is unknown; did you mean 'margin_learning'?",
            Refused("objective.name=margin_learnin")
        );
        Assert.EndsWith(
            "; a part of your own must be registered first with RecipeParts.Register",
            Refused("objective.name=zzz"),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void The_data_decides_on_an_own_task_as_well()
    {
        Assert.Equal(new SidesTask(), TaskKind.DefaultFor(Datasets.Open("shapes", "train")));
        Assert.Contains("sides", TaskKind.All.Select(task => task.Name));
        Assert.Equal(new ClassificationTask(), TaskKind.DefaultFor(new MemoryImages("m", "train", ["a"], [0], new byte[4], 1, 2, 2)));
    }

    [RecipeName("never_registered")]
    public sealed record Unregistered : ObjectiveOptions
    {
        public override Objective Create(ObjectiveContext context) => new Supervised(context.Student);
    }

    [Fact]
    public void A_part_that_is_not_registered_is_refused_with_the_way_to_do_it()
    {
        var error = Assert.Throws<RecipeException>(() => Experiment.Begin(InCode with { Objective = new Unregistered() }, folder["run"]));
        Assert.Equal(
            "recipe: Tessera.Training.Tests.OwnPartsTests+Unregistered has no name: a part of your own must be registered first with "
                + "RecipeParts.Register<Unregistered>()",
            error.Message
        );
        Assert.False(Directory.Exists(folder["run"]));
    }

    [Fact]
    public void A_run_of_parts_that_are_not_registered_names_the_missing_one()
    {
        using (var experiment = Experiment.Begin(InCode, folder["run"]))
            experiment.Train();
        var run = new RunFolder(folder["run"]);
        // As a program finds it that has registered nothing: one part has a name that is near one of ours, one has none.
        foreach (var (own, missing) in new[] { ("margin_learning", "supervise"), ("sides", "sidewise") })
        {
            var yaml = File.ReadAllText(run.RecipePath);
            File.WriteAllText(run.RecipePath, yaml.Replace(own, missing, StringComparison.Ordinal));
            var message = Assert.Throws<RecipeException>(() => Experiment.Resume(run.Path)).Message;
            Assert.Contains($"'{missing}' is unknown; ", message, StringComparison.Ordinal);
            Assert.EndsWith("; a part of your own must be registered first with RecipeParts.Register", message, StringComparison.Ordinal);
            File.WriteAllText(run.RecipePath, yaml);
        }
        var bundle = Path.Combine(run.BundlePath, "bundle.json");
        File.WriteAllText(bundle, File.ReadAllText(bundle).Replace("\"sides\"", "\"upsides\"", StringComparison.Ordinal));
        var read = Assert.Throws<RunException>(() => ModelBundle.Load(run.Path)).Message;
        Assert.Contains("'upsides' is unknown", read, StringComparison.Ordinal);
        Assert.EndsWith("with RecipeParts.Register", read, StringComparison.Ordinal);
    }

    [RecipeName("supervised")]
    public sealed record Taken : ObjectiveOptions
    {
        public override Objective Create(ObjectiveContext context) => new Supervised(context.Student);
    }

    [RecipeName("resize")]
    public sealed record TakenTransform : FloatTransform
    {
        public override void Apply(Span<float> image, int channels, int height, int width, ref SampleRandom random) { }
    }

    [RecipeName("crop")]
    public sealed record OldName : FloatTransform
    {
        public override void Apply(Span<float> image, int channels, int height, int width, ref SampleRandom random) { }
    }

    public sealed record Narrow(float Share = 0.5f) : ObjectiveOptions
    {
        public override Objective Create(ObjectiveContext context) => new Supervised(context.Student);
    }

    public sealed record Named([Range(0, 1)] int Name = 0) : ObjectiveOptions
    {
        public override Objective Create(ObjectiveContext context) => new Supervised(context.Student);
    }

    public abstract record Half : ObjectiveOptions;

    [Fact]
    public void What_cannot_be_registered_says_why()
    {
        static string Refused(Action register) => Assert.Throws<ArgumentException>(register).Message;
        Assert.Equal(
            "objective 'supervised' is Tessera.Training.Objectives.SupervisedOptions already: "
                + "Tessera.Training.Tests.OwnPartsTests+Taken needs another name ([RecipeName])",
            Refused(RecipeParts.Register<Taken>)
        );
        Assert.StartsWith(
            "transform 'resize' is Tessera.Data.Transforms.Resize already: ",
            Refused(RecipeParts.Register<TakenTransform>),
            StringComparison.Ordinal
        );
        Assert.EndsWith(
            "the name 'crop' stands for random_crop in older recipes: choose another",
            Refused(RecipeParts.Register<OldName>),
            StringComparison.Ordinal
        );
        Assert.EndsWith("a list of these, not Single", Refused(RecipeParts.Register<Narrow>), StringComparison.Ordinal);
        Assert.EndsWith(
            "a parameter cannot be called name, which chooses the part",
            Refused(RecipeParts.Register<Named>),
            StringComparison.Ordinal
        );
        Assert.Contains(" is no part of a recipe: ", Refused(RecipeParts.Register<Half>), StringComparison.Ordinal);
        Assert.Contains(" is no part of a recipe: ", Refused(RecipeParts.Register<TinyModel>), StringComparison.Ordinal);
        Assert.Contains(
            " has no part of a recipe: ",
            Refused(() => RecipeParts.Register(typeof(object).Assembly)),
            StringComparison.Ordinal
        );
        // Once more is no contradiction.
        RecipeParts.Register<MarginOptions>();
        RecipeParts.Register(typeof(MarginOptions).Assembly);
    }

    [RecipeName("one_of_many")]
    public sealed record First : ObjectiveOptions
    {
        public override Objective Create(ObjectiveContext context) => new Supervised(context.Student);
    }

    [RecipeName("one_of_many")]
    public sealed record Second : ObjectiveOptions
    {
        public override Objective Create(ObjectiveContext context) => new Supervised(context.Student);
    }

    [Fact]
    public void Of_threads_that_register_a_name_at_once_one_succeeds()
    {
        var refused = new System.Collections.Concurrent.ConcurrentBag<string>();
        Parallel.For(0, 64, i =>
        {
            try
            {
                if (i % 2 == 0)
                    RecipeParts.Register<First>();
                else
                    RecipeParts.Register<Second>();
            }
            catch (ArgumentException error)
            {
                refused.Add(error.Message);
            }
            Assert.IsType<MarginOptions>(Recipe.Parse(Yaml, "r.yaml").Objective);
        });
        Assert.Equal(32, refused.Count);
        Assert.All(refused, message => Assert.Contains("objective 'one_of_many' is ", message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_data_set_whose_name_is_taken_or_cannot_be_found_is_refused()
    {
        Assert.Equal(
            "data set 'shapes' is there already (stripes that lie or stand): the one that is added (others) needs another name",
            Assert.Throws<DataException>(() => Datasets.Add(Shapes.Kind with { Summary = "others" })).Message
        );
        Assert.Equal(
            "data set 'My-Set': the name must consist of small letters, digits and _",
            Assert.Throws<DataException>(() => Datasets.Add(Shapes.Kind with { Name = "My-Set" })).Message
        );
        Assert.EndsWith(
            "; Datasets.Add makes one of your own known",
            Assert.Throws<DataException>(() => Datasets.Find("my_set")).Message,
            StringComparison.Ordinal
        );
    }
}
