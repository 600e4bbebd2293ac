namespace Tessera.Models.Detection;

/// <summary>
/// What a pyramid shows in regions, each seen on the level that fits its size. Lin et al., 2017, arXiv:1612.03144, section 4.2.
/// </summary>
/// <param name="Strides">Pixels of the image per position of each level.</param>
/// <param name="Size">Height and width of the result.</param>
/// <param name="Torchvision">Whether levels and samples are those of torchvision instead of mmdetection.</param>
public sealed record RoiExtractor(IReadOnlyList<double> Strides, int Size, bool Torchvision = false)
{
    /// <summary>The features of all regions, in their order.</summary>
    /// <param name="maps">Of each level, [B, C, h, w].</param>
    /// <param name="rois">[n, 5]: image, left, top, right, bottom in pixels of the image.</param>
    /// <returns>[n, C, Size, Size].</returns>
    /// <exception cref="ShapeException">There are not as many maps as strides.</exception>
    public Tensor Apply(IReadOnlyList<Tensor> maps, Tensor rois)
    {
        if (maps.Count != Strides.Count)
            throw new ShapeException($"regions are looked for on {Strides.Count} levels, and {maps.Count} were given");
        return Torch.Scope(() =>
        {
            var levels = Levels(rois).ToArray<long>();
            var order = new List<long>(levels.Length);
            var parts = new List<Tensor>();
            for (var level = 0; level < maps.Count; level++)
            {
                long[] own = [.. Enumerable.Range(0, levels.Length).Where(i => levels[i] == level).Select(i => (long)i)];
                if (own.Length == 0)
                    continue;
                order.AddRange(own);
                parts.Add(
                    new RoiAlign(Size, Size, 1 / Strides[level], Torchvision ? 2 : 0, Aligned: !Torchvision).Apply(
                        maps[level],
                        rois.IndexSelect(0, Tensor.From(own).To(rois.Device))
                    )
                );
            }
            if (parts.Count == 0)
                return maps[0].NewZeros([0, maps[0].Size(1), Size, Size]);
            var places = new long[order.Count];
            for (var i = 0; i < places.Length; i++)
                places[order[i]] = i;
            return Torch.Cat([.. parts]).IndexSelect(0, Tensor.From(places).To(rois.Device));
        });
    }

    // The third level is for boxes of 224 pixels where strides begin at 4.
    private Tensor Levels(Tensor rois) =>
        Torchvision ? RoiLevels.Torchvision(rois, Strides.Count) : RoiLevels.Of(rois, Strides.Count, 14 * Strides[0]);
}
