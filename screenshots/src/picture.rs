//! SVG to PNG, with one font from one directory so that the machine's other fonts play no part.

use std::path::Path;

use anyhow::{Context as _, bail};
use resvg::{tiny_skia, usvg};

pub struct Painter {
    options: usvg::Options<'static>,
}

const FACES: [&str; 2] = ["DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"];
/// Pixels of the picture for one of the drawing: letters stay sharp on screens of today.
const SCALE: f32 = 2.0;

impl Painter {
    pub fn new(fonts: &Path) -> anyhow::Result<Self> {
        let mut options = usvg::Options::default();
        for face in FACES {
            let file = fonts.join(face);
            let data = std::fs::read(&file)
                .with_context(|| format!("{} cannot be read: install fonts-dejavu-core, or say --fonts DIR", file.display()))?;
            let known = options.fontdb.len();
            options.fontdb_mut().load_font_data(data);
            if options.fontdb.len() == known {
                bail!("{} is not a font", file.display());
            }
        }
        Ok(Self { options })
    }

    pub fn png(&self, svg: &str) -> anyhow::Result<Vec<u8>> {
        let tree = usvg::Tree::from_str(svg, &self.options).context("the drawing is not valid SVG")?;
        let size = tree.size().to_int_size().scale_by(SCALE).context("the picture has no size")?;
        let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).context("the picture is too large")?;
        resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
        pixels.encode_png().context("the picture cannot be written as PNG")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_font_says_what_to_install() {
        let told = format!("{:#}", Painter::new(Path::new("/nonexistent")).err().unwrap());
        assert!(told.contains("fonts-dejavu-core") && told.contains("--fonts"), "{told}");
    }
}
