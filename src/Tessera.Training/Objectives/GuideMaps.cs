using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Models;

namespace Tessera.Training.Objectives;

/// <summary>
/// The maps of a guide that are stored. Where images are the same in every epoch, they are those that the guide would compute.
/// Otherwise they are of whole images without augmentation, and what random crops and mirroring do to an image is done to its maps
/// (the offline form of Li et al., 2022, arXiv:2207.10026); changes of colour and erased boxes leave them alone.
/// </summary>
internal sealed class GuideMaps
{
    private readonly TeacherStore store;
    private readonly bool replayed;

    private GuideMaps(TeacherStore store, bool replayed) => (this.store, this.replayed) = (store, replayed);

    /// <summary>Maps of the guide for images of any size, fine to coarse.</summary>
    internal static IReadOnlyList<Tensor> Of(Backbone guide, Tensor images)
    {
        var (height, width) = guide.ImageSize;
        return
        [
            .. guide
                .ForwardFeatureMaps(
                    images.Size(2) == height && images.Size(3) == width ? images : images.UpsampleBilinear2d((height, width), false)
                )
                .Select(level => level.Map),
        ];
    }

    /// <summary>Why maps cannot be stored for the augmentation of a recipe; null where they can.</summary>
    internal static string? Obstacle(IReadOnlyList<Transform> augment) =>
        TeacherStore.Obstacle(augment) is null ? null
        : augment.FirstOrDefault(transform =>
            transform is BatchTransform and not LabelSmoothing or RandomCrop or RandomDenseCrop or Pad or RandomShift or RandomVerticalFlip
        )
            is { } other
            ? $"{TransformRegistry.NameOf(other)} in augment: stored maps of a guide can follow only random_resized_crop and "
                + "random_horizontal_flip"
        : augment.OfType<RandomResizedCrop>().Any() ? null
        : TeacherStore.Obstacle(augment);

    /// <summary>The stored maps, made first where the folder has none.</summary>
    internal static GuideMaps Open(string folder, Backbone guide, ObjectiveContext context)
    {
        var replayed = context.Augment.OfType<RandomResizedCrop>().Any();
        var (height, width) = guide.ImageSize;
        if (replayed && height != width)
            throw new ArgumentException($"objective.stored: the guide must take square images, not {height} x {width}");
        return new(
            replayed
                ? TeacherStore.Open(folder, guide, context, [new Squash(height, Interpolation.Bilinear)], false, images =>
                    Of(guide, images)
                )
                : TeacherStore.OfTraining(folder, guide, context, images => Of(guide, images)),
            replayed
        );
    }

    /// <summary>The maps for the images of a batch.</summary>
    internal IReadOnlyList<Tensor> Of(Batch batch)
    {
        var maps = store.Of(batch);
        return replayed && batch.Views[0].Images is { } views
            ? [.. maps.Select(map => Torch.Stack([.. views.Select((view, i) => Cut(map[i], view))]))]
            : maps;
    }

    /// <summary>The part of a map that a view shows, brought to the map's size, [C, h, w]. Boxes are whole places, rounded down.</summary>
    internal static Tensor Cut(Tensor map, ImageView view) =>
        Torch.Scope(() =>
        {
            var (rows, columns) = (map.Size(1), map.Size(2));
            var (top, height) = Span(view.Top, view.Height, rows);
            var (left, width) = Span(view.Left, view.Width, columns);
            var cut = map.Slice(1, top, top + height).Slice(2, left, left + width);
            if (height != rows || width != columns)
                cut = cut.Unsqueeze(0).UpsampleBilinear2d((rows, columns), false).Squeeze(0);
            return view.Width < 0 ? cut.Flip(2) : cut;
        });

    // First place and number of places, at least one.
    private static (long First, long Count) Span(double from, double length, long places)
    {
        const double Rounding = 1e-9;
        var first = Math.Clamp((long)Math.Floor(Math.Min(from, from + length) * places + Rounding), 0, places - 1);
        return (first, Math.Clamp((long)Math.Floor(Math.Abs(length) * places + Rounding), 1, places - first));
    }
}
