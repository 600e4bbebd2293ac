using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Weights of classes in the loss, and as many samples of every class.</summary>
[Collection("engine")]
public sealed class ClassWeightTests
{
    private static readonly ClassLabels labels = new(["cat", "dog", "a: b"], [0, 0, 0, 1, 2, 2]);

    private static string Yaml(string objective, string data = "") =>
        $$"""
            model: { name: cct_2_3x2_32 }
            data: { name: fashion_mnist, batch: 16{{data}} }
            augment: []
            objective: { name: supervised{{objective}} }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 1, warmup: 0 }
            train: { threads: 1 }
            """;

    private static RecipeNode Node(string written) =>
        ((SupervisedOptions)Recipe.Parse(Yaml($", class_weights: {written}"), "r.yaml").Objective).ClassWeights!;

    private static float[] Weights(string written) => ClassWeighting.Of(Node(written)).Of(labels);

    [Fact]
    public void Weights_are_balanced_listed_or_by_name()
    {
        // N / (C n): 6 / (3 * 3), 6 / (3 * 1), 6 / (3 * 2).
        Assert.Equal([2f / 3, 2, 1], Weights("balanced"));
        Assert.Equal([0.5f, 1, 20], Weights("[0.5, 1, 2e1]"));
        Assert.Equal([1, 3, 0.25f], Weights("{ dog: 3, \"a: b\": 0.25 }"));
    }

    [Theory]
    [InlineData("[1, 2]", "must have 3 weights, one for each class, not 2")]
    [InlineData("{ dgo: 2 }", "there is no class 'dgo'; did you mean 'dog'?")]
    public void Weights_for_other_classes_are_refused(string written, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => Weights(written)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("even", "must be balanced, a list of weights or weights by class name, not 'even'")]
    [InlineData("[1, 0, 1]", "each weight must be a number above 0, not '0'")]
    [InlineData("[1, -1]", "each weight must be a number above 0")]
    [InlineData("{ cat: much }", "each weight must be a number above 0, not 'much'")]
    [InlineData("[1, .nan]", "each weight must be a number above 0")]
    [InlineData("[1, 1e300]", "each weight must be a number above 0")]
    [InlineData("[]", "not a list")]
    public void What_is_no_weight_is_refused_with_its_line(string written, string message)
    {
        var error = Assert.Throws<RecipeException>(() => Node(written)).Message;
        Assert.StartsWith("r.yaml:4", error, StringComparison.Ordinal);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_class_without_samples_has_no_balanced_weight() =>
        Assert.Contains(
            "class 'dog' has no training samples",
            Assert.Throws<ArgumentException>(() => ClassWeighting.Of(Node("balanced")).Of(new(["cat", "dog"], [0, 0]))).Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData("balanced")]
    [InlineData("[1, 2.5, 3]")]
    [InlineData("{ cat: 2, \"a: b\": 0.5, \"null\": 1, \"#x\": 2 }")]
    public void The_resolved_recipe_keeps_them(string written)
    {
        var recipe = Recipe.Parse(Yaml($", class_weights: {written}"), "r.yaml");
        var yaml = recipe.ToYaml();
        Assert.Contains($"class_weights: {written}", yaml, StringComparison.Ordinal);
        Assert.Equal(yaml, Recipe.Parse(yaml, "again.yaml").ToYaml());
    }

    private static readonly float[] weights = [0.5f, 2, 1.25f];

    private static (Tensor Logits, double[,] LogProbabilities, long[] Labels) Example(Scope scope)
    {
        _ = scope;
        var random = new Random(3);
        double[] values = [.. Enumerable.Range(0, 12).Select(_ => random.NextDouble() * 4 - 2)];
        var rows = new double[4, 3];
        for (var i = 0; i < 4; i++)
        {
            var sum = Enumerable.Range(0, 3).Sum(c => Math.Exp(values[i * 3 + c]));
            for (var c = 0; c < 3; c++)
                rows[i, c] = values[i * 3 + c] - Math.Log(sum);
        }
        return (Tensor.From(values, 4, 3), rows, [0, 1, 1, 2]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.1)]
    public void Cross_entropy_is_the_mean_weighted_by_the_samples_classes(double smoothing)
    {
        using var scope = new Scope();
        var (logits, logs, labels) = Example(scope);
        var (loss, sum) = (0.0, 0.0);
        for (var i = 0; i < 4; i++)
        {
            loss -= (1 - smoothing) * weights[labels[i]] * logs[i, labels[i]];
            loss -= smoothing / 3 * Enumerable.Range(0, 3).Sum(c => weights[c] * logs[i, c]);
            sum += weights[labels[i]];
        }
        var found = ClassificationLosses.CrossEntropy(logits, Tensor.From(labels), smoothing, weights: Weight());
        Assert.Equal(loss / sum, found.ToDouble(), 1e-12);
        Assert.NotEqual(ClassificationLosses.CrossEntropy(logits, Tensor.From(labels), smoothing).ToDouble(), found.ToDouble(), 1e-3);
    }

    [Fact]
    public void Soft_targets_and_binary_questions_are_weighted_by_class_and_averaged_over_the_batch()
    {
        using var scope = new Scope();
        var (logits, logs, labels) = Example(scope);
        var targets = ClassificationLosses.SmoothLabels(Tensor.From(labels), 3, 0.3, DType.Float64);
        var (values, wanted) = (logits.ToArray<double>(), targets.ToArray<double>());
        var (soft, binary) = (0.0, 0.0);
        for (var i = 0; i < 12; i++)
        {
            soft -= weights[i % 3] * wanted[i] * logs[i / 3, i % 3];
            binary += weights[i % 3] * (Math.Log(1 + Math.Exp(values[i])) - wanted[i] * values[i]);
        }
        Assert.Equal(soft / 4, ClassificationLosses.SoftCrossEntropy(logits, targets, Weight()).ToDouble(), 1e-12);
        Assert.Equal(binary / 12, ClassificationLosses.BinaryCrossEntropy(logits, targets, weights: Weight()).ToDouble(), 1e-12);
    }

    private static Tensor Weight() => Tensor.From(weights, 3).To(DType.Float64);

    [Fact]
    public void The_objective_uses_them_and_says_that_a_weighted_mean_cannot_be_divided()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        model.Eval();
        var batch = Tiny.Source().Epoch(0).First();
        double Loss(Supervised objective) => objective.Compute(batch, new(0, 1, 0, 1)).Total.ToDouble();
        var logits = model.Call(batch.Inputs);
        var truth = ClassTargets.Of(batch).Labels;
        var single = Tensor.From(weights, 3);
        var entropy = new Supervised(model, 0.1, classWeights: weights);
        var binary = new Supervised(model, kind: ClassificationLoss.Bce, classWeights: weights);
        Assert.Equal(ClassificationLosses.CrossEntropy(logits, truth, 0.1, weights: single).ToDouble(), Loss(entropy), 1e-6);
        Assert.Equal(
            ClassificationLosses.BinaryCrossEntropy(logits, ClassificationLosses.SmoothLabels(truth, 3, 0), weights: single).ToDouble(),
            Loss(binary),
            1e-6
        );
        Assert.False(entropy.MeanOverSamples);
        Assert.True(binary.MeanOverSamples);
        Assert.True(new Supervised(model).MeanOverSamples);
    }

    [Fact]
    public void Runs_by_recipe_take_weights_and_balanced_sampling()
    {
        using var folder = new TempFolder();
        SmallMnist.Write(folder["data"]);
        File.WriteAllText(folder["r.yaml"], Yaml(", class_weights: balanced", $", root: {folder["data"]}, limit: 45, sampling: balanced"));
        using (var experiment = Experiment.Begin(folder["r.yaml"], [], folder["run"]))
            Assert.True(experiment.Train().Completed);
        string Refused(params string[] settings) =>
            Assert.ThrowsAny<Exception>(() => Experiment.Begin(folder["r.yaml"], settings, folder["no"])).Message;
        Assert.Matches("class '.+' has no training samples", Refused("data.limit=9"));
        Assert.Contains("there is no class 'x'", Refused("objective.class_weights={x: 2}"), StringComparison.Ordinal);
        Assert.Contains("only one of repeats and sampling", Refused("data.repeats=2"), StringComparison.Ordinal);
        Assert.Contains("train.grad_accum_steps must be 1", Refused("train.grad_accum_steps=2"), StringComparison.Ordinal);
        Assert.Equal(DataSampling.Balanced, Recipe.Load(Path.Combine(folder["run"], "recipe.yaml")).Data.Sampling);
    }
}
