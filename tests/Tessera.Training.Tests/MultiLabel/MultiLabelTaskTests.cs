using System.Text.Json;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.MultiLabel;

namespace Tessera.Training.Tests.MultiLabel;

[Collection("engine")]
public sealed class MultiLabelTaskTests
{
    private const int Side = 8;
    private static readonly string[] names = ["cat", "dog", "indoor"];

    private static MemoryImages Images(params IReadOnlyList<int>[] labels) =>
        new(
            "drawn",
            "train",
            new MultiLabels(names, labels),
            [.. Enumerable.Range(0, labels.Length * 3 * Side * Side).Select(i => (byte)(i * 37 % 251))],
            3,
            Side,
            Side,
            Normalization.Inception
        );

    private static Vit Student() => new(new((Side, Side), 4, 12, 1, 2, names.Length));

    private static MultiLabelFacts Facts(MultiLabelTask task) => (MultiLabelFacts)task.FactsOf(Images([0], [1, 2], []));

    private static Batch Batch(params float[] hot) =>
        new(
            Tensor.From([.. Enumerable.Range(0, 2 * 3 * Side * Side).Select(i => (float)Math.Sin(i))], 2, 3, Side, Side),
            new MultiLabelTargets(Tensor.From(hot, 2, 3)),
            [0, 1]
        );

    [Fact]
    public void The_task_is_that_of_images_with_several_labels()
    {
        Assert.IsType<MultiLabelTask>(TaskKind.DefaultFor(Images([0], [])));
        Assert.Equal([0.5, 0.5, 0.5], Facts(new()).Thresholds);
        Assert.Equal([0.8, 0.8, 0.8], Facts(new(Threshold: 0.8)).Thresholds);
        Assert.Equal(3, Facts(new()).ModelDefaults.Classes);
    }

    [Fact]
    public void Measured_thresholds_go_into_the_facts_where_they_were_tuned()
    {
        using var scope = new Scope();
        var facts = Facts(new());
        MultiLabelMetrics Measure(bool tune)
        {
            var evaluator = new MultiLabelEvaluator(facts.Thresholds, tune);
            evaluator.Add(Tensor.From([2f, 0, 0, 1, 1, 0], 2, 3), Tensor.From([1f, 0, 0, 0, 1, 0], 2, 3), [0, 1]);
            return evaluator.Measure();
        }
        var tuned = (MultiLabelFacts)new MultiLabelTask(TuneThresholds: true).Refine(facts, Measure(tune: true));
        Assert.True(tuned.Tuned);
        Assert.Equal((MultiLabelEvaluator.Probability(2) + MultiLabelEvaluator.Probability(1)) / 2, tuned.Thresholds[0], 1e-15);
        Assert.Equal(0.5, tuned.Thresholds[2]);
        Assert.Same(facts, new MultiLabelTask().Refine(facts, Measure(tune: false)));
    }

    [Fact]
    public void Facts_are_the_same_after_JSON_and_check_themselves()
    {
        var json = new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
        var facts = Facts(new()) with { Thresholds = [0.1, 0.25, 1], Tuned = true };
        var text = JsonSerializer.Serialize(facts, json);
        var read = JsonSerializer.Deserialize<MultiLabelFacts>(text, json)!;
        Assert.Equal(facts.Thresholds, read.Thresholds);
        Assert.True(read.Tuned);
        Assert.Equal(facts.Classes, read.Classes);
        Assert.Contains("of 3 classes, not 2", Assert.Throws<ArgumentException>(() => facts with { Thresholds = [0.1, 0.2] }).Message);
        Assert.Contains("1.5", Assert.Throws<ArgumentException>(() => facts with { Thresholds = [0.1, 1.5, 0.2] }).Message);
        Assert.Throws<ArgumentException>(() =>
            JsonSerializer.Deserialize<MultiLabelFacts>(
                text.Replace("\"thresholds\":[0.1,", "\"thresholds\":[", StringComparison.Ordinal),
                json
            )
        );
    }

    [Fact]
    public void An_answer_has_the_classes_at_or_above_their_thresholds_and_may_be_empty()
    {
        using var scope = new Scope();
        var task = new MultiLabelTask();
        var facts = Facts(task) with { Thresholds = [0.9, 0.5, 0.3] };
        var some = task.Interpret("a.png", Tensor.From([2f, 0, -0.5f], 1, 3), facts, most: 5);
        Assert.Equal(["cat", "dog", "indoor"], some.Classes.Select(c => c.Class));
        Assert.Equal([false, true, true], some.Classes.Select(c => c.Chosen));
        Assert.Equal(0.5, some.Classes[1].Probability);
        // The answer is whole, however few classes are asked for.
        Assert.Equal(
            ["cat", "dog", "indoor"],
            task.Interpret("a.png", Tensor.From([2f, 0, -0.5f], 1, 3), facts, most: 1).Classes.Select(c => c.Class)
        );
        var none = task.Interpret("b.png", Tensor.From([-2f, -1, -3], 1, 3), facts, most: 2);
        Assert.Equal(["dog", "cat"], none.Classes.Select(c => c.Class));
        Assert.DoesNotContain(none.Classes, c => c.Chosen);
    }

    [Fact]
    public void The_objective_smooths_once()
    {
        using var scope = new Scope();
        var student = Student();
        student.Eval();
        ObjectiveContext Context(params Transform[] augment) => new(student, Device.Cpu) { Augment = augment };
        var options = new MultiLabelOptions(Smoothing: 0.2);
        var hot = Batch(1, 0, 0, 0, 1, 1);
        var smoothed = Batch(0.9f, 0.1f, 0.1f, 0.1f, 0.9f, 0.9f);
        double Loss(Objective objective, Batch batch) => objective.Compute(batch, new(0, 1, 0, 1)).Total.ToDouble();
        var expected = Loss(new MultiLabelOptions().Create(Context()), smoothed);
        Assert.Equal(expected, Loss(options.Create(Context()), hot), 1e-6);
        // Mixed batches contain the smoothing already.
        Assert.Equal(expected, Loss(options.Create(Context(new Mixup(0.8))), smoothed), 1e-6);
        Assert.Equal(0.2, options.TargetSmoothing);
        Assert.Contains(
            "label_smoothing",
            Assert.Throws<ArgumentException>(() => options.Create(Context(new LabelSmoothing(0.1)))).Message
        );
    }

    [Fact]
    public void The_log_has_the_F1_of_the_batch_unless_batches_are_mixed()
    {
        using var scope = new Scope();
        var student = Student();
        student.Eval();
        var batch = Batch(1, 0, 0, 0, 1, 1);
        var chosen = student.Call(batch.Inputs).ToArray<float>().Select(logit => logit >= 0 ? 1 : 0).ToArray();
        int[] present = [1, 0, 0, 0, 1, 1];
        var objective = new MultiLabelLearning(student, new BinaryCrossEntropyLoss());
        var score = objective.Compute(batch, new(0, 1, 0, 1)).Scores["f1_micro"];
        Assert.Equal(new Score(2 * chosen.Zip(present).Sum(p => p.First * p.Second), chosen.Sum() + 3), score);
        Assert.Equal(default, objective.Compute(batch with { IsPlaceholder = true }, new(0, 1, 0, 1)).Scores["f1_micro"]);
        var mixed = new MultiLabelLearning(student, new BinaryCrossEntropyLoss(), isMixed: true);
        Assert.Empty(mixed.Compute(batch, new(0, 1, 0, 1)).Scores);
    }

    [Fact]
    public void A_recipe_chooses_loss_and_task_and_is_written_with_all_fields()
    {
        const string yaml = """
            model: { name: vit_micro_patch4_32 }
            data: { name: multi_label }
            augment: []
            task: { name: multi_label, tune_thresholds: true }
            objective: { name: multi_label, loss: { name: asymmetric, gamma_pos: 1 }, smoothing: 0.1 }
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 1 }
            """;
        var recipe = Recipe.Parse(yaml, "a.yaml");
        Assert.Equal(new MultiLabelTask(0.5, true), recipe.Task);
        Assert.Equal(new MultiLabelOptions(new AsymmetricLoss(4, 1, 0.05), 0.1), recipe.Objective);
        Assert.Equal(recipe.Objective, Recipe.Parse(recipe.ToYaml(), "b.yaml").Objective);
        Assert.Equal(
            new MultiLabelOptions(new BinaryCrossEntropyLoss()),
            Recipe
                .Parse(yaml.Replace("loss: { name: asymmetric, gamma_pos: 1 }, smoothing: 0.1", "loss: bce", StringComparison.Ordinal), "c")
                .Objective
        );
    }
}
