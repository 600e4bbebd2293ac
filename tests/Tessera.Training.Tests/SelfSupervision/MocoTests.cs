using Tessera.Nn;
using Tessera.Testing;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>Momentum contrast: queue, key encoder, batch norms, in one process.</summary>
[Collection("engine")]
public sealed class MocoTests : IDisposable
{
    private static readonly MocoOptions small = new(Queue: 24, Momentum: 0.9, Dim: 8);

    private static readonly Progress start = new(0, 1, 0, 1);

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static TrainOptions How => new(Seed: 5, LogEvery: 1);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_stopped_and_resumed_training_equals_one_that_was_not_stopped_with_queue_and_pointer(bool symmetric)
    {
        var options = small with { Symmetric = symmetric, BnSplits = 2 };
        Dictionary<string, double[]> Run(string name, params int[] stops) =>
            Contrast.Train(options, How, Contrast.Normed, run: Path.Combine(folder.Path, name), stops: stops);
        var whole = Run("whole", 7);
        Assert.Equal(7 * (symmetric ? 12 : 6) % 24, Assert.Single(whole["queue.queue_ptr"]));
        Assert.NotEqual(whole["model.conv1.weight"], whole["key_model.module.conv1.weight"]);
        Contrast.Same(whole, Run("parts", 2, 5, 7));
    }

    [Fact]
    public void The_loss_is_near_that_of_chance_where_all_keys_look_alike_and_the_log_says_how_many_keys_are_real()
    {
        var events = new List<TrainingEvent>();
        var run = Path.Combine(folder.Path, "run");
        Contrast.Train(small with { Temperature = 20 }, How, run: run, stops: [3], report: events.Add);
        Assert.Equal(Math.Log(25), events.OfType<StepDone>().First().Loss, 0.1);
        Assert.Contains(events.Select(happened => happened.Remark), remark =>
            remark?.Contains("ln(1 + 24) = 3.22", StringComparison.Ordinal) == true
        );
        var shares = RunLog
            .Read(new RunFolder(run).LogPath)
            .Where(line => (string?)line["kind"] == "step")
            .Select(line => (double)line["real_keys"]!);
        Assert.Equal([0, 0.25, 0.5], shares);
    }

    [Fact]
    public void Keys_enter_after_the_step_and_the_copy_follows_it()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var method = Contrast.Method(small);
        using var batch = Contrast.Source().Epoch(0).First();
        var before = Values(method);
        method.BeforeGradients();
        method.Compute(batch, start).Total.Backward();
        // What is watched for collapse is looked at once a step.
        var passed = Values(method);
        Assert.Equal(start.Step, passed["watch.low"][1]);
        passed["watch.low"] = before["watch.low"];
        Contrast.Same(before, passed);
        var keys = method.Keys(batch.Views[1].Inputs).Own.ToArray<double>();
        using (Torch.NoGrad())
            foreach (var parameter in method.Student.Parameters())
                parameter.Add_(0.125);
        method.AfterStep(start);
        var after = Values(method);
        // In the columns at the pointer, as the encoder before the step made them.
        Assert.Equal(keys, Columns(after["queue.queue"], 24, 0, 6));
        Assert.Equal([6.0], after["queue.queue_ptr"]);
        Near(before["model.head.weight"].Select(v => v + 0.0125), after["key_model.module.head.weight"]);
    }

    [Fact]
    public void Without_momentum_the_keys_are_those_of_the_encoder_and_with_all_of_it_they_stay()
    {
        foreach (var momentum in (double[])[0, 1])
        {
            var events = new List<TrainingEvent>();
            var first = Contrast.Train(small with { Momentum = momentum }, How, stops: [1]);
            var found = Contrast.Train(small with { Momentum = momentum }, How, stops: [3], report: events.Add);
            var (own, key) = (found["model.patch_embed.proj.weight"], found["key_model.module.patch_embed.proj.weight"]);
            Assert.NotEqual(first["model.patch_embed.proj.weight"], own);
            Assert.Equal(momentum == 0 ? own : first["key_model.module.patch_embed.proj.weight"], key);
            Assert.Equal(found[momentum == 0 ? "fc.0.weight" : "key_fc.module.0.weight"], found["key_fc.module.0.weight"]);
            Assert.Equal(
                momentum == 0,
                events.Exists(happened => happened.Remark?.StartsWith("objective.momentum is 0", StringComparison.Ordinal) == true)
            );
        }
    }

    [Fact]
    public void A_step_of_accumulated_batches_is_that_of_one_batch_and_the_queue_waits_for_its_end()
    {
        var options = small with { Queue = 48 };
        var whole = Contrast.Train(options, How, sizes: [12, 12], type: DType.Float64, epochs: 2);
        var parts = Contrast.Train(options, How with { GradAccumSteps = 2 }, type: DType.Float64, epochs: 2);
        Assert.Equal([48.0], whole["queue.filled"]);
        // The images of the two sources differ: the count of keys is what both have in common.
        Assert.Equal(whole["queue.queue_ptr"], parts["queue.queue_ptr"]);
        using var scope = new Scope();
        var micro = Contrast.Train(options, How with { MicroBatch = 5 }, sizes: [12, 12], type: DType.Float64, epochs: 2);
        Contrast.Same(whole, micro, 1e-12);
    }

    [Fact]
    public void A_step_that_changes_nothing_leaves_the_queue_alone_and_one_that_looks_twice_enters_once()
    {
        using var scope = new Scope();
        var sam = Contrast.Train(small, How with { Sam = new(0.1) }, stops: [2]);
        Assert.Equal([12.0], sam["queue.queue_ptr"]);
        Torch.Seed(2);
        var method = Contrast.Method(small);
        using var batch = Contrast.Source().Epoch(0).First();
        // A step that was given up, as after a loss that is no number, has no successor.
        method.BeforeGradients();
        method.Compute(batch, start);
        method.BeforeGradients();
        method.Compute(batch, start);
        method.AfterStep(start);
        Assert.Equal([6.0], Values(method)["queue.queue_ptr"]);
    }

    [Fact]
    public void A_short_last_step_of_an_epoch_enters_as_well()
    {
        // Seven batches, four to a step: 24 keys, then 18, which do not divide the queue.
        var found = Contrast.Train(small, How with { GradAccumSteps = 4 }, sizes: [.. Enumerable.Repeat(6, 7)], epochs: 1, stops: [2]);
        Assert.Equal([18.0], found["queue.queue_ptr"]);
    }

    [Fact]
    public void Keys_in_another_order_come_back_in_their_own()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var method = Contrast.Method(small with { BnSplits = 2 }, Contrast.Normed);
        using var batch = Contrast.Source().Epoch(0).First();
        var images = batch.Views[1].Inputs;
        var order = Tensor.From<long>([4, 2, 0, 5, 1, 3]);
        // By running statistics no image sees another.
        method.Eval();
        Testing.Near.Equal(method.Keys(images, Torch.Arange(6)).Own, method.Keys(images, order).Own, 1e-5);
        method.Train();
        var straight = method.Keys(images, Torch.Arange(6)).Own;
        Assert.True((straight - method.Keys(images, order).Own).Abs().Max().ToDouble() > 1e-3);
        // And where none is given, one is drawn.
        Torch.Seed(4);
        var drawn = method.Keys(images).Own;
        Torch.Seed(4);
        Testing.Near.Identical(drawn, method.Keys(images, Torch.Randperm(6)).Own);
    }

    [Fact]
    public void A_queue_of_a_checkpoint_is_not_normalised_again()
    {
        using var scope = new Scope();
        var method = Contrast.Method(small);
        var state = method.StateDict();
        using (Torch.NoGrad())
            state["queue.queue"].Fill_(2);
        var other = Contrast.Method(small);
        other.LoadStateDict(state);
        Assert.All(other.Negatives.ToArray<double>(), value => Assert.Equal(2, value));
    }

    [Theory]
    [InlineData(100, 1, false, "100 is none of 6 (6 samples): the nearest are 96 and 102")]
    [InlineData(30, 1, true, "30 is none of 12 (6 samples, two keys each): the nearest are 24 and 36")]
    [InlineData(4, 1, false, "4 is none of 6 (6 samples): the nearest are 6")]
    [InlineData(24, 4, false, "objective.bn_splits must divide the samples of a batch, and 4 does not divide 6")]
    public void Keys_that_do_not_divide_the_queue_and_groups_that_do_not_divide_a_batch_are_refused(
        int queue,
        int splits,
        bool symmetric,
        string problem
    )
    {
        using var scope = new Scope();
        var options = small with { Queue = queue, BnSplits = splits, Symmetric = symmetric };
        Assert.Contains(
            problem,
            Assert.Throws<ArgumentException>(() => Contrast.Method(options, Contrast.Normed)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Parts_of_a_batch_that_groups_do_not_divide_are_refused()
    {
        var error = Assert.Throws<RunException>(() =>
            Contrast.Train(small with { BnSplits = 2 }, How with { MicroBatch = 3 }, Contrast.Normed)
        );
        Assert.Contains("2 does not divide 3", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_that_outlive_an_epoch_and_batch_norms_that_see_all_are_said_with_their_numbers()
    {
        using var scope = new Scope();
        var data = Small.Images(10, (_, target) => target.Values.Clear());
        string Said(MocoOptions options, Func<Models.Backbone> student) =>
            string.Join('\n', new Moco(options, Contrast.Context(student, 5) with { Data = data }).TakeRemarks());
        var said = Said(small with { Queue = 25 }, Contrast.Normed);
        Assert.Contains("25 keys are those of 2.5 epochs of 10 samples", said, StringComparison.Ordinal);
        Assert.Contains("at most 10 keys", said, StringComparison.Ordinal);
        Assert.Contains("bn_splits above 1 prevents it", said, StringComparison.Ordinal);
        said = Said(small with { Queue = 20, Symmetric = true, BnSplits = 5 }, Contrast.Normed);
        Assert.Contains("2 ln(1 + 20) = 6.09", said, StringComparison.Ordinal);
        Assert.DoesNotContain("epochs", said, StringComparison.Ordinal);
        Assert.DoesNotContain("batch norms", said, StringComparison.Ordinal);
        Assert.DoesNotContain("batch norms", Said(small with { Queue = 10 }, Contrast.Plain), StringComparison.Ordinal);
        Assert.Contains(
            "objective.shuffle",
            Said(small with { Queue = 10, BnSplits = 5, Shuffle = false }, Contrast.Normed),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Heads_have_the_names_of_the_authors_code()
    {
        using var scope = new Scope();
        string[] Names(bool mlp) =>
            [.. Contrast.Method(small with { Mlp = mlp }).OwnStateDict().Keys.Where(name => name.Split('.')[0] is "fc" or "key_fc")];
        Assert.Equal(["fc.weight", "fc.bias", "key_fc.module.weight", "key_fc.module.bias"], Names(false));
        Assert.Equal(["fc.0.weight", "fc.0.bias", "fc.2.weight", "fc.2.bias"], Names(true)[..4]);
        var method = Contrast.Method(small with { BnSplits = 3 }, Contrast.Normed);
        Assert.All(method.NamedModules().Select(entry => entry.Module).OfType<BatchNorm>(), norm => Assert.Equal(3, norm.Splits));
    }

    [Fact]
    public void Training_lowers_the_loss()
    {
        var losses = new List<double>();
        Contrast.Train(
            small with
            {
                Temperature = 0.5,
            },
            How,
            Contrast.Normed,
            epochs: 20,
            optimizer: new AdamWOptions(3e-3),
            report: happened =>
            {
                if (happened is StepDone step)
                    losses.Add(step.Loss);
            }
        );
        // By then all keys are real.
        Assert.True(losses[^8..].Average() < losses[8..16].Average(), $"{losses[8..16].Average()} became {losses[^8..].Average()}");
    }

    private static Dictionary<string, double[]> Values(Moco method) =>
        method.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.ToArray<double>());

    // Of a matrix of so many columns, some of them one after the other.
    private static double[] Columns(double[] matrix, int width, int first, int count) =>
        [
            .. Enumerable
                .Range(first, count)
                .SelectMany(column => Enumerable.Range(0, matrix.Length / width).Select(row => matrix[row * width + column])),
        ];

    private static void Near(IEnumerable<double> expected, IEnumerable<double> found) =>
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
}
