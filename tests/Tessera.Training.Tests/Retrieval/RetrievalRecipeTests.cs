using Tessera.Testing;
using Tessera.Training.Objectives.Retrieval;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>Trainings of descriptors by recipe: what they need of it, what they say, and that they come to an end.</summary>
[Collection("engine")]
public sealed class RetrievalRecipeTests : IDisposable
{
    private readonly TempFolder folder = new();

    public RetrievalRecipeTests() => SmallMnist.Write(Data, train: 64, test: 40);

    private string Data => folder["data"];

    public void Dispose() => folder.Dispose();

    private string Recipe(string objective, string task = "task: retrieval", string data = ", train_classes: 6") =>
        folder.Write(
            "recipe.yaml",
            $$"""
            model: { name: cct_2_3x2_32 }
            data: { name: fashion_mnist, batch: 16, root: {{Data}}{{data}} }
            augment: [ random_horizontal_flip ]
            objective: {{objective}}
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: constant, steps: 3 }
            train: { threads: 1, log_every: 1 }
            {{task}}
            """
        );

    public static TheoryData<string, string> Methods =>
        new()
        {
            { "irt", "a batch has 4 images of each of 4 classes (data.instances, by default with this objective)" },
            { "{ name: irt, memory_share: 0.5, momentum: 0.999, koleo: 0 }", "a batch has 4 images of each of 4 classes" },
            { "{ name: irt_tuples, pool: 20, every: 2, negatives: 3 }", "a batch has 2 images of each of 8 classes" },
        };

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_run_of_a_few_steps_learns_says_how_its_batches_are_made_and_measures_other_classes(string objective, string said)
    {
        var events = new List<TrainingEvent>();
        using var experiment = Experiment.Begin(Recipe(objective), [], folder["run"], events.Add);
        var result = experiment.Train();
        Assert.True(result.Completed);
        Assert.Equal(3, result.Steps);
        Assert.Contains(events.Select(happened => happened.Remark), remark => remark?.Contains(said, StringComparison.Ordinal) == true);
        Assert.Equal(6, ClassLabels.Of(experiment.TrainData).Labels.Distinct().Count());
        Assert.Equal(4, ClassLabels.Of(experiment.TestData).Labels.Distinct().Count());
        Assert.InRange(result.Last!.Score.Value, 0, 1);
    }

    [Fact]
    public void Other_tasks_and_batches_that_do_not_divide_are_refused()
    {
        Assert.Contains(
            "objective irt needs a task that measures descriptors (task: retrieval), not classification",
            Assert.Throws<RunException>(() => Experiment.Begin(Recipe("irt", task: "", data: ""), [], folder["a"])).Message,
            StringComparison.Ordinal
        );
        string Problem(params string[] settings) =>
            Assert.Throws<RecipeException>(() => Experiments.Recipe.Load(Recipe("irt"), settings)).Message;
        Assert.Contains(
            "data.batch: must be a multiple of 4, the images of each class in a batch (data.instances, by default with irt), not 18",
            Problem("data.batch=18"),
            StringComparison.Ordinal
        );
        Assert.Contains("multiple of 3", Problem("data.instances=3"), StringComparison.Ordinal);
        Assert.Contains("only one of repeats", Problem("data.instances=4", "data.repeats=3"), StringComparison.Ordinal);
        Assert.Contains("only one of memory", Problem("objective.memory=100", "objective.memory_share=1"), StringComparison.Ordinal);
        Assert.Contains("mixture", Problem("augment=[ mixup: 0.8 ]"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data.sampling=balanced", typeof(Balanced))]
    [InlineData("data.repeats=2", typeof(RepeatedAugmentation))]
    [InlineData("data.instances=1", typeof(Shuffled))]
    [InlineData("data.instances=8", typeof(ByClass))]
    [InlineData("data.workers=1", typeof(ByClass))]
    [InlineData("objective=supervised", typeof(Shuffled))]
    public void A_recipe_that_says_how_samples_come_is_obeyed(string setting, Type sampler)
    {
        var recipe = Experiments.Recipe.Load(Recipe("irt"), setting);
        var found = recipe.Data.SamplerOf(recipe.Data.OpenTraining(), recipe.Objective.Instances);
        Assert.IsType(sampler, found);
        if (found is ByClass { Instances: var instances })
            Assert.Equal(setting.EndsWith('8') ? 8 : 4, instances);
    }

    [Fact]
    public void A_constant_rate_can_be_given_in_steps()
    {
        var schedule = new ConstantOptions(Steps: 25, Warmup: 0.5);
        Assert.Equal((3, 25L), (schedule.TotalEpochs(10), schedule.TotalSteps(10)));
        Assert.Equal([0.2, 0.4, 1, 1], new[] { 0L, 1, 4, 24 }.Select(step => schedule.LearningRate(1, step, 10)));
        Assert.Equal((7, 70L), (new ConstantOptions(7).TotalEpochs(10), new ConstantOptions(7).TotalSteps(10)));
        Assert.Throws<ArgumentException>(() => new ConstantOptions());
        Assert.Throws<ArgumentException>(() => new ConstantOptions(3, Steps: 3));
    }

    [Fact]
    public void Resolved_recipes_read_back_to_the_same()
    {
        var recipe = Experiments.Recipe.Load(Recipe("{ name: irt, margin: 0.4, form: cross_batch }"));
        var again = Experiments.Recipe.Parse(recipe.ToYaml(), "again.yaml");
        Assert.Equal(new IrtOptions(0.4, Form: ContrastiveForm.CrossBatch), again.Objective);
    }
}
