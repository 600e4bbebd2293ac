using Tessera.Distributed;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Objectives.Retrieval;
using Tessera.Training.Tasks.Retrieval;
using Tessera.Training.Tests.SelfSupervision;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>IRT in one process and in several: what its loss is made of, and what its memory holds when.</summary>
[Collection("engine")]
public sealed class IrtTests
{
    private static readonly IrtOptions small = new(Memory: 30);

    private static readonly Progress start = new(0, 1, 0, 4);

    private static readonly Func<Backbone, Tensor, Tensor> descriptor = new RetrievalTask().Descriptor;

    private static Irt Method(IrtOptions options, Func<Backbone>? student = null) =>
        new(options, Contrast.Context(student ?? Contrast.Plain), descriptor);

    private static Batch First => Contrast.Source().Epoch(0).First();

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.7, 0.5)]
    public void The_loss_is_that_of_the_batch_and_of_a_memory_in_which_the_batch_is_already(double koleo, double weight)
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var method = Method(small with { Koleo = koleo, MemoryWeight = weight });
        using var batch = First;
        var (rows, labels) = (method.Describe(batch.Inputs), batch.Labels());
        var own = MarginContrast.Of(rows, labels, rows, labels, 0.5).ToDouble();
        var entropy = KoLeo.Of(KoLeo.Distances(rows, rows, KoLeo.Nearest(rows, rows))).ToDouble();
        var loss = method.Compute(batch, start);
        Assert.Equal(own, loss.Parts["contrastive"].ToDouble(), 1e-6);
        Assert.Equal(own, loss.Parts["memory"].ToDouble(), 1e-6);
        Assert.Equal(entropy, loss.Parts["koleo"].ToDouble(), 1e-5);
        Assert.Equal(own + weight * own + koleo * entropy, loss.Total.ToDouble(), 1e-5);
    }

    private static DescriptorMemory MemoryOf(Irt method) =>
        (DescriptorMemory)method.Children.Single(child => child.Name == "memory").Module;

    [Fact]
    public void Descriptors_enter_once_a_step_has_changed_the_weights()
    {
        using var scope = new Scope();
        Torch.Seed(2);
        var method = Method(small);
        using var batch = First;
        // A step that was given up leaves nothing; one whose gradients are computed twice enters once.
        method.BeforeGradients();
        method.Compute(batch, start).Total.Backward();
        method.BeforeGradients();
        method.Compute(batch, start).Total.Backward();
        Assert.Equal(0, MemoryOf(method).Count);
        var rows = method.Describe(batch.Inputs).Detach().Clone();
        method.AfterStep(start);
        Assert.Equal(Contrast.Batch, MemoryOf(method).Count);
        Near.Equal(rows, MemoryOf(method).Features);
        Assert.Equal(batch.Labels().ToArray<long>(), MemoryOf(method).Labels.ToArray<long>());
        method.AfterStep(start);
        Assert.Equal(Contrast.Batch, MemoryOf(method).Count);
    }

    [Fact]
    public void The_memory_takes_part_from_its_first_step_on()
    {
        using var scope = new Scope();
        var method = Method(small with { MemoryStart = 2 });
        using var batch = First;
        foreach (var step in (int[])[0, 1, 2])
        {
            method.BeforeGradients();
            var loss = method.Compute(batch, start with { Step = step });
            method.AfterStep(start with { Step = step });
            Assert.Equal(step == 2, loss.Parts["memory"].ToDouble() > 0);
            Assert.Equal(step == 2 ? Contrast.Batch : 0, MemoryOf(method).Count);
        }
        Assert.DoesNotContain(Method(small with { Memory = 0 }).Children, child => child.Name == "memory");
    }

    [Fact]
    public void With_momentum_the_descriptors_of_a_slow_copy_enter()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var method = Method(small with { Momentum = 0.5 });
        using var batch = First;
        var before = method.Describe(batch.Inputs).Detach().Clone();
        // The model moves away from its copy.
        using (Torch.NoGrad())
            foreach (var parameter in method.Student.Parameters())
                parameter.Add_(parameter.RandnLike() * 0.3);
        method.BeforeGradients();
        method.Compute(batch, start).Total.Backward();
        method.AfterStep(start);
        Near.Equal(before, MemoryOf(method).Features, 1e-5);
        Assert.True((method.Describe(batch.Inputs) - before).Abs().Max().ToDouble() > 1e-2);
        // And the copy has followed by half.
        method.BeforeGradients();
        method.Compute(batch, start with { Step = 1 });
        method.AfterStep(start with { Step = 1 });
        Assert.True((MemoryOf(method).Features.Slice(0, 6, 12) - before).Abs().Max().ToDouble() > 1e-3);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Processes_come_to_the_weights_and_the_memory_of_one(bool momentum)
    {
        // Of the last batches some processes get nothing. Only whole batches are overwritten: which samples of a batch come first differs.
        var options = small with { Memory = 100, Momentum = momentum ? 0.9 : null };
        int[] sizes = [10, 10, 3, 2];
        var whole = Train(options, sizes, null);
        foreach (var size in (int[])[2, 4])
        foreach (var found in Ranks.Run(size, group => Train(options, sizes, group)))
            Contrast.Same(whole, found, 1e-10);
    }

    private static readonly Lock gate = new();

    private static Dictionary<string, double[]> Train(IrtOptions options, int[] sizes, ProcessGroup? group)
    {
        using var scope = new Scope();
        Irt method;
        // The engine's random numbers belong to the process.
        lock (gate)
        {
            Torch.Seed(7);
            method = new(options, Contrast.Context(Contrast.Plain) with { Group = group }, descriptor);
        }
        method.To(dtype: DType.Float64);
        var how = new TrainOptions(Seed: 5, LogEvery: 1);
        var losses = new List<double>();
        using var trainer = new Trainer(
            new()
            {
                Objective = method,
                Phases = Phases.Of(method, new SgdOptions(0.05), how),
                Schedule = new CosineOptions(2),
                Data = Contrast.Source(group is null ? null : new(group.Rank, group.Size), sizes, DType.Float64),
                Options = how,
                Group = group,
            },
            null,
            happened =>
            {
                if (happened is StepDone step)
                    losses.Add(step.Loss);
            }
        );
        trainer.Train();
        var state = method.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.ToArray<double>());
        state["losses"] = [.. losses];
        // They enter process by process.
        Array.Sort(state["memory.feats"]);
        Array.Sort(state["memory.targets"]);
        return state;
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        using var scope = new Scope();
        Assert.Contains("at least 6", Refused(() => Method(small with { Memory = 5 })), StringComparison.Ordinal);
        Assert.Contains("number of training images is not known", Refused(() => Method(new())), StringComparison.Ordinal);
        Assert.Contains(
            "data.batch must be at least 2",
            Refused(() => new Irt(small, Contrast.Context(Contrast.Plain, 1), descriptor)),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "class token",
            Refused(() => new Irt(small, Contrast.Context(Contrast.Normed), new RetrievalTask(DescriptorPooling.Cls).Descriptor)),
            StringComparison.Ordinal
        );
        Assert.Contains("task: retrieval", Refused(() => small.Create(Contrast.Context(Contrast.Plain))), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new IrtOptions(Memory: 10, MemoryShare: 0.5));
        Assert.Throws<ArgumentException>(() => new IrtOptions(MemoryShare: 0, Momentum: 0.9));
        Assert.Throws<ArgumentException>(() => new IrtOptions(Memory: 0, Momentum: 0.9));
    }

    private static string Refused(Func<object> what) => Assert.Throws<ArgumentException>(what).Message;

    [Fact]
    public void It_says_how_large_its_memory_is_and_when_a_batch_has_no_pairs()
    {
        using var scope = new Scope();
        var data = Small.Images(50, (_, _) => { });
        var context = Contrast.Context(Contrast.Plain) with { Data = data };
        var method = new Irt(new(MemoryShare: 0.5), context, descriptor);
        Assert.Equal(25, MemoryOf(method).Capacity);
        Assert.Contains("25 descriptors of 12 values", Assert.Single(method.TakeRemarks()), StringComparison.Ordinal);
        Assert.Equal(50, MemoryOf(new(new(), context, descriptor)).Capacity);
        // Of few images a step may read some again.
        Assert.Equal(6, MemoryOf(new(new(MemoryShare: 0.01), context, descriptor)).Capacity);
        using var batch = First;
        method.Compute(batch with { Targets = new ClassTargets(Torch.Arange(6)) }, start);
        Assert.Contains("data.instances", Assert.Single(method.TakeRemarks()), StringComparison.Ordinal);
        method.Compute(batch, start);
        Assert.Empty(method.TakeRemarks());
    }
}
