namespace Tessera.Models.Detection;

/// <summary>The regions of a batch that a stage learns from: of each image first those that stand for objects, then background.</summary>
/// <param name="Rois">[m, 5]: image, left, top, right, bottom.</param>
/// <param name="Labels">[m] int64: the class, or the number of classes for background.</param>
/// <param name="Positives">[p] int64: which regions stand for objects.</param>
/// <param name="Classes">[p] int64: their classes.</param>
/// <param name="Objects">[p, 4]: the objects that they stand for.</param>
/// <param name="Images">Of each image, what only it needs.</param>
internal sealed record RoiSample(
    Tensor Rois,
    Tensor Labels,
    Tensor Positives,
    Tensor Classes,
    Tensor Objects,
    IReadOnlyList<RoiSample.Image> Images
)
{
    /// <summary>The regions of one image.</summary>
    /// <param name="Count">How many there are.</param>
    /// <param name="Assigned">Of those that stand for objects, which.</param>
    /// <param name="Proposed">Places of those that were proposed: the objects' own boxes are among the regions too.</param>
    internal sealed record Image(int Count, long[] Assigned, long[] Proposed);

    /// <summary>Assigns proposals to objects and draws those that learn. The objects' own boxes stand before the proposals.</summary>
    /// <param name="proposals">Of each image, [n, 4].</param>
    /// <param name="objects">Of each image, [k, 4].</param>
    /// <param name="classes">Of each image, [k] int64.</param>
    /// <param name="background">Number of classes.</param>
    /// <param name="assigner">Says which proposals stand for objects.</param>
    /// <param name="sampler">Draws among them.</param>
    internal static RoiSample Draw(
        IReadOnlyList<Tensor> proposals,
        IReadOnlyList<Tensor> objects,
        IReadOnlyList<Tensor> classes,
        int background,
        BoxAssigner assigner,
        BoxSampler sampler
    )
    {
        var (rois, labels, positives, images) = (new List<Tensor>(), new List<long>(), new List<long>(), new List<Image>());
        var truths = new List<Tensor>();
        for (var i = 0; i < proposals.Count; i++)
        {
            var like = proposals[i];
            var truth = objects[i].To(like.Device).To(like.DType);
            var count = (int)truth.Size(0);
            var kinds = classes[i].ToArray<long>();
            int[] assigned = [.. Enumerable.Range(1, count), .. assigner.Assign(like.To(Device.Cpu), objects[i].To(Device.Cpu)).Objects];
            var (own, others) = sampler.Sample(assigned);
            long[] stands = [.. own.Select(place => assigned[place] - 1L)];
            positives.AddRange(Enumerable.Range(labels.Count, own.Length).Select(place => (long)place));
            labels.AddRange(stands.Select(which => kinds[which]));
            labels.AddRange(Enumerable.Repeat((long)background, others.Length));
            int[] all = [.. own, .. others];
            truths.Add(truth.IndexSelect(0, Numbers(stands, like)));
            var boxes = Torch.Cat([truth, like]).IndexSelect(0, Numbers([.. all.Select(place => (long)place)], like));
            rois.Add(OfImage(i, boxes));
            images.Add(new(all.Length, stands, [.. Enumerable.Range(0, all.Length).Where(k => all[k] >= count).Select(k => (long)k)]));
        }
        return new(
            Torch.Cat([.. rois]),
            Numbers([.. labels], proposals[0]),
            Numbers([.. positives], proposals[0]),
            Numbers([.. positives.Select(place => labels[(int)place])], proposals[0]),
            Torch.Cat([.. truths]),
            images
        );
    }

    /// <summary>Boxes [n, 4] of an image as regions [n, 5].</summary>
    internal static Tensor OfImage(int image, Tensor boxes) => Torch.Cat([boxes.NewFull([boxes.Size(0), 1], image), boxes], 1);

    private static Tensor Numbers(long[] values, Tensor like) => Tensor.From(values, values.Length).To(like.Device);
}
