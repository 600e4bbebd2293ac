using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Objectives.Retrieval;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>Tuples of an object, another image of it, and the images that the model takes for it.</summary>
[Collection("engine")]
public sealed class IrtTuplesTests : IDisposable
{
    private const int Count = 30;

    private static readonly Progress start = new(0, 1, 0, 4);

    private static readonly Func<Backbone, Tensor, Tensor> descriptor = new RetrievalTask().Descriptor;

    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    // Light grows with the index, so that images next to each other look alike.
    private static ImageDataset Data => Small.Images(Count, (index, target) => target.Values.Fill((byte)(index * 8)));

    private static ObjectiveContext Context(ImageDataset? data = null)
    {
        data ??= Data;
        return new(Small.Vit(), Device.Cpu) { Data = data, Labels = (ClassLabels)data.Annotations };
    }

    private static Batch Batch(params int[] samples)
    {
        var loader = new Loader(Data.Part(samples), Pipeline.Plain, new(samples.Length) { Workers = 0 });
        return loader.Epoch(0).First();
    }

    [Fact]
    public void Negatives_are_the_most_similar_of_other_classes_each_of_a_class_of_its_own()
    {
        Torch.Seed(1);
        var context = Context();
        context.Student.To(dtype: DType.Float64);
        var pool = new NegativePool(context, 100, 24);
        pool.To(dtype: DType.Float64);
        Assert.Equal(Count, pool.Size);
        Assert.All(pool.Hardest(Torch.Ones([1, 24]), [0], 5), found => Assert.Empty(found));
        pool.Draw(context.Student, descriptor);
        context.Student.Eval();
        var all = descriptor(context.Student, Batch([.. Enumerable.Range(0, Count)]).Inputs.To(DType.Float64));
        var labels = context.Labels!.Labels;
        var anchors = (int[])[4, 17];
        var found = pool.Hardest(all.IndexSelect(0, Tensor.From<long>([4, 17])), [.. anchors.Select(anchor => labels[anchor])], 5);
        foreach (var (anchor, hardest) in anchors.Zip(found))
        {
            var ranked = Enumerable
                .Range(0, Count)
                .Where(other => labels[other] != labels[anchor])
                .OrderByDescending(other => (all[anchor] * all[other]).Sum().ToDouble())
                .DistinctBy(other => labels[other]);
            // Three classes have two others.
            Assert.Equal(ranked, hardest);
            Assert.Equal(2, hardest.Length);
        }
    }

    [Fact]
    public void The_pool_is_drawn_anew_every_so_many_steps_and_is_part_of_the_state()
    {
        Torch.Seed(2);
        var method = new IrtTuples(new(Pool: 8, Every: 3), Context(), descriptor);
        double[] Drawn() => method.StateDict()["pool.indices"].ToArray<double>();
        List<double[]> seen = [];
        for (var step = 0; step < 7; step++)
        {
            method.BeforeStep(start with { Step = step });
            seen.Add(Drawn());
        }
        Assert.Equal(8, seen[0].Distinct().Count());
        Assert.Equal(seen[0], seen[2]);
        Assert.NotEqual(seen[2], seen[3]);
        Assert.Equal(seen[3], seen[5]);
        Assert.NotEqual(seen[5], seen[6]);
    }

    [Fact]
    public void The_loss_is_that_of_tuples_and_of_the_entropy_of_all_images()
    {
        Torch.Seed(3);
        var context = Context();
        var method = new IrtTuples(new(Koleo: 2, Negatives: 1), context, descriptor);
        // Two images of a class, another two, and one without a partner.
        var labels = context.Labels!.Labels;
        int[] Members(int label) => [.. Enumerable.Range(0, Count).Where(i => labels[i] == label)];
        using var batch = Batch(Members(0)[0], Members(1)[3], Members(1)[5], Members(0)[4], Members(2)[1]);
        method.BeforeStep(start);
        method.Eval();
        var loss = method.Compute(batch, start);
        var rows = descriptor(context.Student, batch.Inputs);
        double Distance(Tensor a, Tensor b) => (a - b).LinalgVectorNorm().ToDouble();
        var near = (Distance(rows[0], rows[3]) + Distance(rows[1], rows[2])) / 2;
        Assert.Equal(near, loss.Parts["positive_distance"].ToDouble(), 1e-5);
        Assert.Equal(loss.Parts["contrastive"].ToDouble() + 2 * loss.Parts["koleo"].ToDouble(), loss.Total.ToDouble(), 1e-5);
        Assert.True(loss.Parts["negative_distance"].ToDouble() > 0);
        using var alone = Batch(Members(0)[0], Members(1)[0]);
        Assert.Contains(
            "data.instances must be 2",
            Assert.Throws<RunException>(() => method.Compute(alone, start)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Without_images_of_several_classes_and_in_several_processes_it_is_refused()
    {
        string Refused(ObjectiveContext context) =>
            Assert.Throws<ArgumentException>(() => new IrtTuples(new(), context, descriptor)).Message;
        Assert.Contains("there are none", Refused(Context() with { Data = null }), StringComparison.Ordinal);
        var one = (ImageDataset)Data.Relabelled(new ClassLabels(["a"], new int[Count]));
        Assert.Contains("have one class", Refused(Context(one)), StringComparison.Ordinal);
        Assert.All(Ranks.Run(2, group =>
            {
                using var own = new Scope();
                return Refused(Context() with { Group = group });
            }), message => Assert.Contains("one process", message, StringComparison.Ordinal));
    }
}
