using Tessera.Data.Imaging;
using Tessera.Data.Transforms;

namespace Tessera.Data.Tests;

public sealed class ImageViewTests
{
    // Whatever is done to an image, a view says where in the original its corners came from: read off pixels that hold their own place.
    [Fact]
    public void A_view_tells_where_pixels_come_from()
    {
        const int Side = 16;
        ImageTransform[] steps =
        [
            new RandomHorizontalFlip(0.5),
            new RandomVerticalFlip(0.5),
            new RandomCrop(Size: 8),
            new RandomHorizontalFlip(0.5),
            new RandomCrop(Size: 4),
        ];
        for (var sample = 0; sample < 50; sample++)
        {
            var canvas = new Canvas();
            canvas.Image.Resize(2, Side, Side);
            for (var y = 0; y < Side; y++)
            for (var x = 0; x < Side; x++)
                (canvas.Image.Row(0, y)[x], canvas.Image.Row(1, y)[x]) = ((byte)y, (byte)x);
            var random = new SampleRandom(1, 0, sample);
            foreach (var step in steps)
                step.Apply(canvas, ref random);
            var view = canvas.View;
            foreach (var (row, column) in new[] { (0, 0), (3, 1) })
            {
                Assert.Equal(canvas.Image.Row(0, row)[column] + 0.5, (view.Top + (row + 0.5) / 4 * view.Height) * Side, 9);
                Assert.Equal(canvas.Image.Row(1, row)[column] + 0.5, (view.Left + (column + 0.5) / 4 * view.Width) * Side, 9);
            }
        }
    }

    [Fact]
    public void A_resized_part_keeps_its_view_and_padding_lies_outside()
    {
        var canvas = new Canvas();
        canvas.Image.Resize(1, 8, 8);
        var random = new SampleRandom(2, 0, 0);
        new RandomResizedCrop(4, 0.25, 0.25, 1, 1).Apply(canvas, ref random);
        Assert.Equal((0.5, 0.5), (canvas.View.Height, canvas.View.Width));
        Assert.InRange(canvas.View.Top, 0, 0.5);
        canvas.Begin();
        canvas.Image.Resize(1, 8, 8);
        new CenterCrop(16).Apply(canvas, ref random);
        Assert.Equal(new ImageView(-0.5, -0.5, 2, 2), canvas.View);
    }
}
