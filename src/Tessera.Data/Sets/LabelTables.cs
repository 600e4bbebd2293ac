using System.Globalization;

namespace Tessera.Data.Sets;

/// <summary>A colour, 8 bits per channel.</summary>
internal readonly record struct Color(byte Red, byte Green, byte Blue);

/// <summary>A class of Cityscapes.</summary>
/// <param name="Name">As the data set writes it.</param>
/// <param name="Id">Value in the label maps; -1 for the licence plate.</param>
/// <param name="TrainId">Index among the 19 trained classes; 255 for those left out, in training and evaluation.</param>
/// <param name="Category">Group of classes.</param>
/// <param name="Color">In pictures.</param>
internal sealed record CityscapesClass(string Name, int Id, int TrainId, string Category, Color Color);

/// <summary>A category of COCO.</summary>
/// <param name="Name">As the data set writes it.</param>
/// <param name="Id">Number in the annotation files, which has gaps.</param>
/// <param name="TrainId">Index without gaps.</param>
internal sealed record CocoCategory(string Name, int Id, int TrainId);

/// <summary>Class names, numbers and colours of data sets, from their official lists.</summary>
internal static class LabelTables
{
    /// <summary>Cityscapes, in the order of the ids.</summary>
    public static IReadOnlyList<CityscapesClass> Cityscapes { get; } =
    [
        .. Names(
                """
                unlabeled, 0, 255, void, 000000;
                ego vehicle, 1, 255, void, 000000;
                rectification border, 2, 255, void, 000000;
                out of roi, 3, 255, void, 000000;
                static, 4, 255, void, 000000;
                dynamic, 5, 255, void, 6f4a00;
                ground, 6, 255, void, 510051;
                road, 7, 0, flat, 804080;
                sidewalk, 8, 1, flat, f423e8;
                parking, 9, 255, flat, faaaa0;
                rail track, 10, 255, flat, e6968c;
                building, 11, 2, construction, 464646;
                wall, 12, 3, construction, 66669c;
                fence, 13, 4, construction, be9999;
                guard rail, 14, 255, construction, b4a5b4;
                bridge, 15, 255, construction, 966464;
                tunnel, 16, 255, construction, 96785a;
                pole, 17, 5, object, 999999;
                polegroup, 18, 255, object, 999999;
                traffic light, 19, 6, object, faaa1e;
                traffic sign, 20, 7, object, dcdc00;
                vegetation, 21, 8, nature, 6b8e23;
                terrain, 22, 9, nature, 98fb98;
                sky, 23, 10, sky, 4682b4;
                person, 24, 11, human, dc143c;
                rider, 25, 12, human, ff0000;
                car, 26, 13, vehicle, 00008e;
                truck, 27, 14, vehicle, 000046;
                bus, 28, 15, vehicle, 003c64;
                caravan, 29, 255, vehicle, 00005a;
                trailer, 30, 255, vehicle, 00006e;
                train, 31, 16, vehicle, 005064;
                motorcycle, 32, 17, vehicle, 0000e6;
                bicycle, 33, 18, vehicle, 770b20;
                license plate, -1, 255, vehicle, 00008e
                """
            )
            .Select(line =>
            {
                var parts = line.Split(", ");
                return new CityscapesClass(
                    parts[0],
                    int.Parse(parts[1], CultureInfo.InvariantCulture),
                    int.Parse(parts[2], CultureInfo.InvariantCulture),
                    parts[3],
                    ColorOf(parts[4])
                );
            }),
    ];

    /// <summary>COCO's 80 categories of objects.</summary>
    public static IReadOnlyList<CocoCategory> Coco { get; } =
    [
        .. Names(
                """
                person 1; bicycle 2; car 3; motorcycle 4; airplane 5; bus 6; train 7; truck 8; boat 9; traffic light 10; fire hydrant 11;
                stop sign 13; parking meter 14; bench 15; bird 16; cat 17; dog 18; horse 19; sheep 20; cow 21; elephant 22; bear 23; zebra
                24; giraffe 25; backpack 27; umbrella 28; handbag 31; tie 32; suitcase 33; frisbee 34; skis 35; snowboard 36; sports ball
                37; kite 38; baseball bat 39; baseball glove 40; skateboard 41; surfboard 42; tennis racket 43; bottle 44; wine glass 46;
                cup 47; fork 48; knife 49; spoon 50; bowl 51; banana 52; apple 53; sandwich 54; orange 55; broccoli 56; carrot 57; hot dog
                58; pizza 59; donut 60; cake 61; chair 62; couch 63; potted plant 64; bed 65; dining table 67; toilet 70; tv 72; laptop 73;
                mouse 74; remote 75; keyboard 76; cell phone 77; microwave 78; oven 79; toaster 80; sink 81; refrigerator 82; book 84; clock
                85; vase 86; scissors 87; teddy bear 88; hair drier 89; toothbrush 90
                """
            )
            .Select(
                (line, index) =>
                    new CocoCategory(
                        line[..line.LastIndexOf(' ')],
                        int.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture),
                        index
                    )
            ),
    ];

    /// <summary>ADE20K's 150 classes; in label maps the value is the index plus 1.</summary>
    public static IReadOnlyList<string> Ade20k { get; } =
        Names(
            """
            wall; building; sky; floor; tree; ceiling; road; bed; windowpane; grass; cabinet; sidewalk; person; earth; door; table;
            mountain; plant; curtain; chair; car; water; painting; sofa; shelf; house; sea; mirror; rug; field; armchair; seat; fence; desk;
            rock; wardrobe; lamp; bathtub; railing; cushion; base; box; column; signboard; chest of drawers; counter; sand; sink;
            skyscraper; fireplace; refrigerator; grandstand; path; stairs; runway; case; pool table; pillow; screen door; stairway; river;
            bridge; bookcase; blind; coffee table; toilet; flower; book; hill; bench; countertop; stove; palm; kitchen island; computer;
            swivel chair; boat; bar; arcade machine; hovel; bus; towel; light; truck; tower; chandelier; awning; streetlight; booth;
            television receiver; airplane; dirt track; apparel; pole; land; bannister; escalator; ottoman; bottle; buffet; poster; stage;
            van; ship; fountain; conveyer belt; canopy; washer; plaything; swimming pool; stool; barrel; basket; waterfall; tent; bag;
            minibike; cradle; oven; ball; food; step; tank; trade name; microwave; pot; animal; bicycle; lake; dishwasher; screen; blanket;
            sculpture; hood; sconce; vase; traffic light; tray; ashcan; fan; pier; crt screen; plate; monitor; bulletin board; shower;
            radiator; glass; clock; flag
            """
        );

    /// <summary>Colours of <see cref="Ade20k"/> in pictures.</summary>
    public static IReadOnlyList<Color> Ade20kPalette { get; } =
    [
        .. """
            787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d 787846 08ff33 ff0652 8fff8c ccff04
            ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0 ffb806 0aff47 ff290a 07ffff
            e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff 8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000
            99ff00 0000ff ff4700 00ebff 00adff 1f00ff 0bc8c8 ff5200 00fff5 003dff 00ff70 00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00
            0052ff 00ff29 00ffad 0a00ff adff00 00ff99 ff5c00 ff00ff ff00f5 ff0066 ffad00 ff0014 ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2
            00ff52 000aff 0070ff 3300ff 00c2ff 007aff 00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 08b8aa 8500ff 00ff5c b800ff
            ff001f 00b8ff 00d6ff ff0070 5cff00 00e0ff 70e0ff 46b8a0 a300ff 9900ff 47ff00 ff00a3 ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff
            ff007a fff500 0abed4 d6ff00 00ccff 1400ff ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 005cff
            b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff
            """.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(ColorOf),
    ];

    /// <summary>Fashion-MNIST.</summary>
    public static IReadOnlyList<string> FashionMnist { get; } =
        Names(
            """
            T-shirt/top; Trouser; Pullover; Dress; Coat; Sandal; Shirt; Sneaker; Bag; Ankle boot
            """
        );

    /// <summary>CIFAR-10.</summary>
    public static IReadOnlyList<string> Cifar10 { get; } =
        Names(
            """
            airplane; automobile; bird; cat; deer; dog; frog; horse; ship; truck
            """
        );

    /// <summary>CIFAR-100, the fine labels.</summary>
    public static IReadOnlyList<string> Cifar100 { get; } =
        Names(
            """
            apple; aquarium_fish; baby; bear; beaver; bed; bee; beetle; bicycle; bottle; bowl; boy; bridge; bus; butterfly; camel; can;
            castle; caterpillar; cattle; chair; chimpanzee; clock; cloud; cockroach; couch; crab; crocodile; cup; dinosaur; dolphin;
            elephant; flatfish; forest; fox; girl; hamster; house; kangaroo; keyboard; lamp; lawn_mower; leopard; lion; lizard; lobster;
            man; maple_tree; motorcycle; mountain; mouse; mushroom; oak_tree; orange; orchid; otter; palm_tree; pear; pickup_truck;
            pine_tree; plain; plate; poppy; porcupine; possum; rabbit; raccoon; ray; road; rocket; rose; sea; seal; shark; shrew; skunk;
            skyscraper; snail; snake; spider; squirrel; streetcar; sunflower; sweet_pepper; table; tank; telephone; television; tiger;
            tractor; train; trout; tulip; turtle; wardrobe; whale; willow_tree; wolf; woman; worm
            """
        );

    /// <summary>Parts of the body of LIP; mirroring an image swaps left and right ones.</summary>
    public static IReadOnlyList<string> Lip { get; } =
        Names(
            """
            Background; Hat; Hair; Glove; Sunglasses; UpperClothes; Dress; Coat; Socks; Pants; Jumpsuits; Scarf; Skirt; Face; Left-arm;
            Right-arm; Left-leg; Right-leg; Left-shoe; Right-shoe
            """
        );

    /// <summary>Pascal VOC, with the background.</summary>
    public static IReadOnlyList<string> PascalVoc { get; } =
        Names(
            """
            background; aeroplane; bicycle; bird; boat; bottle; bus; car; cat; chair; cow; diningtable; dog; horse; motorbike; person;
            pottedplant; sheep; sofa; train; tvmonitor
            """
        );

    /// <summary>NYUv2 in 40 classes; in label maps the value is the index plus 1.</summary>
    public static IReadOnlyList<string> Nyu40 { get; } =
        Names(
            """
            wall; floor; cabinet; bed; chair; sofa; table; door; window; bookshelf; picture; counter; blinds; desk; shelves; curtain;
            dresser; pillow; mirror; floor mat; clothes; ceiling; books; refrigerator; television; paper; towel; shower curtain; box;
            whiteboard; person; night stand; toilet; sink; lamp; bathtub; bag; otherstructure; otherfurniture; otherprop
            """
        );

    /// <summary>NYUv2 in 13 classes.</summary>
    public static IReadOnlyList<string> Nyu13 { get; } =
        Names(
            """
            bed; books; ceiling; chair; floor; furniture; objects; picture; sofa; table; tv; wall; window
            """
        );

    /// <summary>COCO-Stuff's 91 kinds of stuff, categories 92 to 182, which follow the objects of COCO.</summary>
    public static IReadOnlyList<string> CocoStuff { get; } =
        Names(
            """
            banner; blanket; branch; bridge; building-other; bush; cabinet; cage; cardboard; carpet; ceiling-other; ceiling-tile;
            cloth; clothes; clouds; counter; cupboard; curtain; desk-stuff; dirt; door-stuff; fence; floor-marble; floor-other;
            floor-stone; floor-tile; floor-wood; flower; fog; food-other; fruit; furniture-other; grass; gravel; ground-other;
            hill; house; leaves; light; mat; metal; mirror-stuff; moss; mountain; mud; napkin; net; paper; pavement; pillow;
            plant-other; plastic; platform; playingfield; railing; railroad; river; road; rock; roof; rug; salad; sand; sea;
            shelf; sky-other; skyscraper; snow; solid-other; stairs; stone; straw; structural-other; table; tent; textile-other;
            towel; tree; vegetable; wall-brick; wall-concrete; wall-other; wall-panel; wall-stone; wall-tile; wall-wood;
            water-other; waterdrops; window-blind; window-other; wood
            """
        );

    /// <summary>CamVid in the 11 classes of SegNet.</summary>
    public static IReadOnlyList<string> CamVid { get; } =
        Names(
            """
            sky; building; pole; road; pavement; tree; sign; fence; car; pedestrian; bicyclist
            """
        );

    /// <summary>Colours of CamVid's classes.</summary>
    public static IReadOnlyList<Color> CamVidPalette { get; } =
    [.. "808080 800000 c0c080 804080 3c28de 808000 c08080 404080 400080 404000 0080c0".Split(' ').Select(ColorOf)];

    /// <summary>Colours without their type.</summary>
    public static IReadOnlyList<(byte R, byte G, byte B)> Tuples(IReadOnlyList<Color> colors) =>
        [.. colors.Select(color => (color.Red, color.Green, color.Blue))];

    private static string[] Names(string text) => text.Replace('\n', ' ').Split("; ", StringSplitOptions.TrimEntries);

    private static Color ColorOf(string hex)
    {
        var value = int.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return new((byte)(value >> 16), (byte)(value >> 8), (byte)value);
    }
}
